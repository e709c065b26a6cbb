/* The journal on a disk that is full, and of an opsd that is killed in the middle of a write. */
#include "journal_home.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { KILLS = 12 };

/* --- a disk that is full: no file may be longer than this */

static void limit_files(int64_t bytes)
{
    struct rlimit limit;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    limit.rlim_cur = bytes < 0 ? limit.rlim_max : (rlim_t)bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void goes_on_when_there_is_space_again(void **state)
{
    struct journal journal;
    int64_t size;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 9, add_letters, all), 0);
    add(&journal, "a");
    flush(&journal);
    size = size_of("journal");
    /* There is room for one line and a half. */
    add(&journal, "b");
    add(&journal, "c");
    limit_files(size + 20);
    flush(&journal);
    assert_true(journal.failing);
    assert_int_equal(size_of("journal"), size);
    limit_files(20);
    for (int i = 0; i < 3; i++) {
        add(&journal, "d");
        flush(&journal);
    }
    limit_files(-1);
    assert_true(journal.failing);
    assert_int_equal(size_of("journal"), size);
    assert_names("xyza");
    assert_int_equal(size_of("journal.new"), -ENOENT);

    flush(&journal);
    assert_false(journal.failing);
    /* Lines were lost, so all of it is said anew, and nothing twice. */
    assert_names("xyz");
    assert_int_equal(read_back().since_ms, 9);
    add(&journal, "e");
    flush(&journal);
    journal_close(&journal);
    assert_names("xyze");
}

/* Nothing is to be said any more, but what could not be written still is not there. */
static void what_could_not_be_written_is_not_forgotten(void **state)
{
    struct journal journal;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, all), 0);
    limit_files(4);
    add(&journal, "a");
    flush(&journal);
    flush(&journal);
    limit_files(-1);
    all[0] = 'X';
    flush(&journal);
    all[0] = 'x';
    journal_close(&journal);
    assert_names("Xyz");
}

static void begins_late_on_a_disk_that_was_full(void **state)
{
    struct journal journal;

    (void)state;
    put_after_header("journal", BYTES("{\"name\":\"a\"}\n"));
    limit_files(4);
    assert_true(journal_begin(&journal, home_fd, 3, add_letters, all) < 0);
    add(&journal, "b");
    flush(&journal);
    flush(&journal);
    limit_files(-1);
    assert_names("a");
    flush(&journal);
    flush(&journal);
    assert_false(journal.failing);
    assert_names("xyz");
    assert_int_equal(read_back().since_ms, 3);
    add(&journal, "c");
    flush(&journal);
    journal_close(&journal);
    assert_names("xyzc");
}

/* Two lines for all the time that it lasts: that it does, and that it is over. */
static void a_full_disk_is_told_once(void **state)
{
    int said[2], n = 0;
    struct journal journal;
    char text[4096];
    ssize_t got;

    (void)state;
    assert_int_equal(journal_begin(&journal, home_fd, 0, add_letters, all), 0);
    assert_int_equal(pipe2(said, O_CLOEXEC | O_NONBLOCK), 0);
    say_to(said[1]);
    limit_files(4);
    for (int i = 0; i < 5; i++) {
        add(&journal, "a");
        journal_flush(&journal, add_letters, all);
    }
    limit_files(-1);
    say_to(-1);
    got = read(said[0], text, sizeof text - 1);
    assert_true(got > 0);
    text[got] = '\0';
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        n++;
    assert_int_equal(n, 1);
    assert_non_null(strstr(text, "cannot be written"));
    journal_close(&journal);
    (void)close(said[0]);
    (void)close(said[1]);
}

/* --- killed */

static int64_t count; /* of the child: what it has to remember */

static void add_count(struct journal *journal, void *context)
{
    cJSON *line = line_named(context);

    (void)json_put_int(line, "count", count);
    journal_add(journal, line);
}

/* Counts for ever, writes each number down and only then says it. */
static _Noreturn void count_on(int said, char *pad)
{
    struct journal journal;

    if (journal_begin(&journal, home_fd, 0, add_count, pad) < 0)
        _exit(1);
    for (;;) {
        count++;
        add_count(&journal, pad);
        journal_flush(&journal, add_count, pad);
        if (write(said, &count, sizeof count) != sizeof count)
            _exit(1);
    }
}

static int64_t last_count(void)
{
    struct journal_lines lines;
    int64_t last = 0;

    assert_int_equal(journal_read(home_fd, &lines), 0);
    for (size_t i = 0; i < lines.count; i++)
        (void)json_get_id(lines.lines[i], "count", &last);
    journal_lines_free(&lines);
    return last;
}

/* Whenever opsd is killed, also while it writes the file anew, what it announced is known. */
static void a_kill_loses_nothing_that_was_announced(void **state)
{
    char pad[PAD_BYTES + 1];

    (void)state;
    memset(pad, 'p', PAD_BYTES);
    pad[PAD_BYTES] = '\0';
    for (int kills = 0; kills < KILLS; kills++) {
        int64_t heard = 0, want = count + 50 + 37 * kills;
        int said[2];
        pid_t pid;

        assert_int_equal(pipe2(said, O_CLOEXEC), 0);
        pid = fork();
        if (pid == 0)
            count_on(said[1], pad);
        (void)close(said[1]);
        while (heard < want)
            assert_int_equal(read(said[0], &heard, sizeof heard), sizeof heard);
        (void)kill(pid, SIGKILL);
        while (read(said[0], &heard, sizeof heard) == sizeof heard)
            ;
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        (void)close(said[0]);
        assert_in_range(last_count(), heard, heard + 1);
        count = last_count();
    }
    count = 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(goes_on_when_there_is_space_again),
        TEST(what_could_not_be_written_is_not_forgotten),
        TEST(begins_late_on_a_disk_that_was_full),
        TEST(a_full_disk_is_told_once),
        TEST(a_kill_loses_nothing_that_was_announced),
    };

    return cmocka_run_group_tests_name("journal_disk", tests, NULL, NULL);
}
