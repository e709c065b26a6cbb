#ifndef OPS_JOURNAL_HOME_H
#define OPS_JOURNAL_HOME_H
/* A home with nothing but a journal, whose lines have a name each. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "instant.h"
#include "journal.h"
#include "json.h"
#include "own.h"

enum { NAMES_MAX = 4096, PAD_BYTES = 4000 };

/* A text and how long it is, without its end. */
#define BYTES(literal) (literal), sizeof(literal) - 1

static char root[64]; /* the home of one test */
static int home_fd;

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int set_up(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof root, "/tmp/test_journal.XXXXXX");
    if (!mkdtemp(root))
        return -1;
    home_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return home_fd < 0 ? -1 : 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    (void)close(home_fd);
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* What the journal has to say about damage is not for whoever looks at the tests. */
static inline void say_to(int fd)
{
    static int console = -1;

    if (console < 0)
        console = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    (void)dup2(fd < 0 ? console : fd, STDERR_FILENO);
}

static inline void hush(void)
{
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    say_to(null);
    (void)close(null);
}

/* --- what is written: lines that have a name each */

static inline cJSON *line_named(const char *name)
{
    cJSON *line = cJSON_CreateObject();

    (void)json_put_text(line, "name", name);
    return line;
}

static inline void add(struct journal *journal, const char *name)
{
    journal_add(journal, line_named(name));
}

/* Each letter of context names a line. */
static inline void add_letters(struct journal *journal, void *context)
{
    for (const char *p = context; *p; p++)
        add(journal, (char[]){ *p, '\0' });
}

static char all[] = "xyz";

static inline void flush(struct journal *journal)
{
    hush();
    journal_flush(journal, add_letters, all);
    say_to(-1);
}

/* --- what is read: the names, one after the other; "?" is a line without */

struct read {
    char names[NAMES_MAX];
    bool same_boot, left;
    int64_t since_ms;
};

static inline struct read read_back(void)
{
    struct journal_lines lines;
    struct read read = { "" };
    const char *name;
    size_t n = 0;
    int r;

    hush();
    r = journal_read(home_fd, &lines);
    say_to(-1);
    assert_int_equal(r, 0);
    for (size_t i = 0; i < lines.count && n < NAMES_MAX - 64; i++) {
        name = json_get_text(lines.lines[i], "name");
        n += (size_t)snprintf(read.names + n, 64, "%s", name ? name : "?");
    }
    read.same_boot = lines.same_boot;
    read.left = lines.left;
    read.since_ms = lines.since_ms;
    journal_lines_free(&lines);
    return read;
}

static inline void assert_names(const char *want)
{
    struct read read = read_back();

    assert_string_equal(read.names, want);
}

static inline void put_file(const char *name, const char *bytes, size_t n)
{
    int fd = openat(home_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    (void)close(fd);
}

/* The first line of this boot, and then these bytes. */
static inline void put_after_header(const char *name, const char *bytes, size_t n)
{
    char text[8192];
    int head = snprintf(text, sizeof text, "{\"journal\":1,\"boot\":\"%s\"}\n", journal_boot_id());

    memcpy(text + head, bytes, n);
    put_file(name, text, (size_t)head + n);
}

static inline int64_t size_of(const char *name)
{
    struct stat st;

    return fstatat(home_fd, name, &st, 0) < 0 ? -errno : st.st_size;
}

#endif
