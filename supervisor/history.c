/* What became of each process of a worker. */
#include "history.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file.h"
#include "json.h"
#include "own.h"

/* A worker's name has no "~": no worker's file is another's older one. */
#define FOLDER "history"
#define OLDER "~"

enum { PATH_BYTES = 512 }; /* names have 128 at most */

static void path_of(const char *name, const char *suffix, char path[static PATH_BYTES])
{
    (void)snprintf(path, PATH_BYTES, FOLDER "/%s%s", name, suffix);
}

/* --- writing */

static int open_file(int home_fd, const char *path)
{
    int flags = O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(home_fd, path, flags, 0600);

    if (fd < 0 && errno == ENOENT && (mkdirat(home_fd, FOLDER, 0700) == 0 || errno == EEXIST))
        fd = openat(home_fd, path, flags, 0600);
    return fd < 0 ? -errno : fd;
}

/* Opens the file for one more line; one that is full becomes the older one. */
static int open_with_room(int home_fd, const char *name, off_t *ret_size)
{
    char path[PATH_BYTES], older[PATH_BYTES];
    struct stat st;
    int fd;

    path_of(name, "", path);
    fd = open_file(home_fd, path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return fd;
    *ret_size = st.st_size;
    if (st.st_size < HISTORY_BYTES)
        return fd;
    path_of(name, OLDER, older);
    if (renameat(home_fd, path, home_fd, older) < 0)
        return fd;
    (void)close(fd);
    *ret_size = 0;
    return open_file(home_fd, path);
}

/* A line that was cut short must not take the next one with it. */
static bool ends_in_a_line(int fd, off_t size)
{
    char last = '\n';

    return size == 0 || pread(fd, &last, 1, size - 1) != 1 || last == '\n';
}

int history_add(int home_fd, const char *name, const cJSON *record)
{
    OWN(free) char *text = record ? cJSON_PrintUnformatted(record) : NULL;
    OWN(free) char *line = NULL;
    OWN(close) int fd = -1;
    off_t size = 0;
    int n;

    if (!text)
        return -ENOMEM;
    fd = open_with_room(home_fd, name, &size);
    if (fd < 0)
        return fd;
    n = asprintf(&line, "%s%s\n", ends_in_a_line(fd, size) ? "" : "\n", text);
    return n < 0 ? -ENOMEM : file_write_all(fd, line, (size_t)n);
}

/* --- reading */

static int read_file(int home_fd, const char *name, const char *suffix, char **ret, size_t *ret_n)
{
    char path[PATH_BYTES], at[64];
    OWN(close) int fd = -1;

    path_of(name, suffix, path);
    fd = openat(home_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    (void)snprintf(at, sizeof at, "/proc/self/fd/%d", fd);
    return file_read(at, 4 * (size_t)HISTORY_BYTES, ret, ret_n);
}

struct reading {
    const char *name;
    int number;
    int64_t left; /* records that may still be added */
    cJSON *array;
};

static bool same_number(const cJSON *a, const cJSON *b, const char *member)
{
    int64_t x, y;

    return json_get_id(a, member, &x) == 0 && json_get_id(b, member, &y) == 0 && x == y;
}

/* Two lines of one exit are close to each other: what lies between is what opsd saw in one turn. */
static bool is_told(const struct reading *reading, const cJSON *record)
{
    const char *started = json_get_text(record, "started");
    const cJSON *last = reading->array->child ? reading->array->child->prev : NULL;

    for (int i = 0; i < 64 && last && started; i++, last = last->prev) {
        const char *other = json_get_text(last, "started");

        if (other && strcmp(other, started) == 0 && same_number(last, record, "pid") &&
            same_number(last, record, "instance"))
            return true;
        if (last == reading->array->child)
            break;
    }
    return false;
}

static int take_line(struct reading *reading, char *line, size_t n)
{
    OWN(json) cJSON *record = NULL;
    int64_t number;

    if (json_parse(line, n, &record, NULL) < 0 || json_get_id(record, "instance", &number) < 0 ||
        (reading->number != HISTORY_NUMBERS_ALL && number != reading->number) ||
        is_told(reading, record))
        return 0;
    if (!json_put_text(record, "name", reading->name) ||
        !cJSON_AddItemToArray(reading->array, record))
        return -ENOMEM;
    record = NULL;
    reading->left--;
    return 0;
}

/* From the last line to the first. */
static int take_lines(struct reading *reading, char *text, size_t n)
{
    int r = 0;

    while (n && reading->left > 0 && r == 0) {
        char *end = text + n, *before;

        if (end[-1] == '\n')
            *--end = '\0';
        before = end > text ? memrchr(text, '\n', (size_t)(end - text)) : NULL;
        n = before ? (size_t)(before + 1 - text) : 0;
        r = take_line(reading, text + n, (size_t)(end - text) - n);
    }
    return r;
}

int history_read(int home_fd, const char *name, int number, int64_t n, cJSON *array)
{
    static const char *const suffixes[] = { "", OLDER };
    struct reading reading = { name, number, n, array };
    int r = 0;

    for (size_t i = 0; i < 2 && reading.left > 0 && r == 0; i++) {
        OWN(free) char *text = NULL;
        size_t length;

        r = read_file(home_fd, name, suffixes[i], &text, &length);
        r = r < 0 ? 0 : take_lines(&reading, text, length);
    }
    return r;
}
