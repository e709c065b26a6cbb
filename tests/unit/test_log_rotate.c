/* Rotated logs: which file gets which name, from whatever a kill left. */
#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log_rotate.h"

/* Files as "name=content", sorted by name, with spaces between. */
struct row {
    const char *before;
    int keep;
    const char *after;
};

/* clang-format off */
static const struct row rows[] = {
    { "log=a", 5, "log.1=a" },
    { "", 5, "" },
    { "log=b log.1=a", 5, "log.1=b log.2=a" },
    { "log=c log.1=b log.2.gz=a", 5, "log.1=c log.2=b log.3.gz=a" },
    { "log=c log.1=b log.2=a", 2, "log.1=c log.2=b" },
    { "log=c log.1=b log.2=a log.3=x log.4.gz=x", 2, "log.1=c log.2=b" },
    { "log=b log.1=a", 1, "log.1=b" },
    { "log=c log.1=b log.2=a", 0, "" },
    /* killed in the middle of the one before */
    { "log=c log.1=b log.3=a", 5, "log.1=c log.2=b log.3=a" },
    { "log=b log.2=a", 5, "log.1=b log.2=a" },
    { "log=c log.1=b log.3=a", 3, "log.1=c log.2=b log.3=a" },
    { "log.1=b log.2=a", 5, "log.2=b log.3=a" },
    /* between the compressed one and the end of the plain one */
    { "log=c log.1.gz=half log.1=b log.2.gz=a", 5, "log.1=c log.2=b log.3.gz=a" },
    /* somebody else's */
    { "log=b log.1=a log.old=x", 5, "log.1=b log.2=a log.old=x" },
};
/* clang-format on */

static void make_files(const char *list)
{
    char text[256], *rest = text, *item;
    FILE *file;

    (void)snprintf(text, sizeof text, "%s", list);
    while ((item = strsep(&rest, " "))) {
        char *content = strchr(item, '=');

        if (!content)
            continue;
        *content++ = '\0';
        file = fopen(item, "we");
        assert_non_null(file);
        (void)fputs(content, file);
        (void)fclose(file);
    }
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Removes what it lists. */
static void list_files(char *to, size_t room)
{
    struct dirent **entries = NULL;
    int n = scandir(".", &entries, visible, alphasort);
    char content[64];
    FILE *file;

    to[0] = '\0';
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        size_t at = strlen(to);

        file = fopen(name, "re");
        content[0] = '\0';
        if (file && fgets(content, sizeof content, file))
            (void)fclose(file);
        (void)snprintf(to + at, room - at, "%s%s=%s", at ? " " : "", name, content);
        (void)unlink(name);
        free(entries[i]);
    }
    free(entries);
}

static void names_move_up(void **state)
{
    char after[256], *path = *state;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        make_files(rows[i].before);
        assert_int_equal(log_rotate(path, rows[i].keep), 0);
        list_files(after, sizeof after);
        assert_string_equal(after, rows[i].after);
    }
}

/* Stopped before any of its steps and begun anew, it loses nothing and keeps the order. */
static void every_step_may_be_the_last(void **state)
{
    static const char *const halves[] = {
        "log=d log.1=c log.2=b log.3=a",
        "log=d log.1=c log.2=b log.4=a",
        "log=d log.1=c log.3=b log.4=a",
        "log=d log.2=c log.3=b log.4=a",
    };
    char after[256], *path = *state;

    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++) {
        make_files(halves[i]);
        assert_int_equal(log_rotate(path, 5), 0);
        list_files(after, sizeof after);
        assert_string_equal(after, "log.1=d log.2=c log.3=b log.4=a");
    }
}

static void a_flush_takes_them_all(void **state)
{
    char after[256], *path = *state;

    make_files("log=c log.1=b log.2.gz=a log.2=a log.old=x");
    log_rotate_remove_all(path);
    list_files(after, sizeof after);
    assert_string_equal(after, "log=c log.old=x");
}

static void a_folder_that_is_gone_is_told(void **state)
{
    (void)state;
    assert_int_equal(log_rotate("/nowhere/log", 5), 0);
    assert_int_equal(log_rotate_find("/nowhere/log", 0), 0);
}

static int begin(void **state)
{
    char folder[] = "/tmp/log-rotate-XXXXXX", *path;

    if (!mkdtemp(folder) || chdir(folder) < 0 || asprintf(&path, "%s/log", folder) < 0)
        return -1;
    *state = path;
    return 0;
}

static int end(void **state)
{
    char *path = *state;

    *strrchr(path, '/') = '\0';
    (void)chdir("/");
    (void)rmdir(path);
    free(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_move_up),
        cmocka_unit_test(every_step_may_be_the_last),
        cmocka_unit_test(a_flush_takes_them_all),
        cmocka_unit_test(a_folder_that_is_gone_is_told),
    };

    return cmocka_run_group_tests(tests, begin, end);
}
