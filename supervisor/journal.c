/* What opsd must not forget when it is killed. */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "file.h"
#include "json.h"
#include "log.h"
#include "own.h"

#define FILE_NAME "journal"
#define FILE_BEFORE "journal.previous"
#define FILE_NEW "journal.new"

const char *journal_boot_id(void)
{
    static char id[64];
    OWN(close) int fd = -1;
    ssize_t n;

    if (id[0])
        return id;
    fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    n = fd < 0 ? -1 : read(fd, id, sizeof id - 1);
    id[n > 0 ? strcspn(id, "\n") : 0] = '\0';
    return id;
}

/* --- the checksum of a line, as its last member */

#define SUM_FORMAT ",\"sum\":\"%08lx\"}"

enum { SUM_BYTES = sizeof ",\"sum\":\"01234567\"}" - 1 };

/* Of the line without it and without the bracket, which are n bytes. */
static void print_sum(const char *text, size_t n, char ret[static SUM_BYTES + 1])
{
    (void)snprintf(ret, SUM_BYTES + 1, SUM_FORMAT, crc32_z(0, (const Bytef *)text, n));
}

/* A line without one is the first, that of an earlier opsd, or a person's. */
static bool is_whole(const char *text, size_t n)
{
    static const char head[] = ",\"sum\":\"";
    char sum[SUM_BYTES + 1];
    const char *end;

    if (n < SUM_BYTES)
        return true;
    end = text + n - SUM_BYTES;
    if (memcmp(end, head, sizeof head - 1) != 0)
        return true;
    print_sum(text, n - SUM_BYTES, sum);
    return memcmp(end, sum, SUM_BYTES) == 0;
}

/* --- reading */

static int read_file(int home_fd, const char *name, char **ret, size_t *ret_n)
{
    char path[64];
    OWN(close) int fd = openat(home_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return file_read(path, JOURNAL_BYTES_MAX, ret, ret_n);
}

/* The first line says that it is a journal, and of which boot. */
static bool take_header(const cJSON *line, struct journal_lines *lines)
{
    const char *boot = json_get_text(line, "boot");
    int64_t version;

    if (json_get_id(line, "journal", &version) < 0 || version != 1 || !boot)
        return false;
    (void)json_get_id(line, "since_ms", &lines->since_ms);
    lines->same_boot = *boot && strcmp(boot, journal_boot_id()) == 0;
    return true;
}

static int add_line(struct journal_lines *lines, char *text, size_t n, size_t number)
{
    OWN(json) cJSON *line = NULL;
    struct err why = { "" };
    cJSON **grown;
    int r;

    /* The last one may have been cut short by a crash. */
    r = is_whole(text, n) ? json_parse(text, n, &line, &why)
                          : err_set(&why, -EBADMSG, "its checksum is another");
    if (r < 0) {
        log_warn("a line of the journal is left out", LOG_INT("line", (int64_t)number),
                 LOG_TEXT("why", why.text));
        return number == 1 ? -EBADMSG : 0;
    }
    if (number == 1)
        return take_header(line, lines) ? 0 : -EBADMSG;
    lines->left = json_get_bool(line, "left");
    if ((lines->count & (lines->count + 1)) == 0) {
        grown = realloc(lines->lines, (lines->count + 1) * 2 * sizeof(void *));
        if (!grown)
            return -ENOMEM;
        lines->lines = grown;
    }
    lines->lines[lines->count++] = TAKE(line);
    return 0;
}

/* A crash of the machine may leave NUL bytes: they end no line. */
static int parse(char *text, size_t n, struct journal_lines *ret)
{
    struct journal_lines lines = { 0 };
    char *end = text + n, *line, *newline;
    size_t number = 0;
    int r = 0;

    for (line = text; r == 0 && line < end; line = newline + 1) {
        newline = memchr(line, '\n', (size_t)(end - line));
        newline = newline ? newline : end;
        *newline = '\0';
        r = add_line(&lines, line, (size_t)(newline - line), ++number);
    }
    if (r == 0 && number == 0)
        r = -EBADMSG;
    if (r < 0)
        journal_lines_free(&lines);
    else
        *ret = lines;
    return r;
}

void journal_lines_free(struct journal_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        cJSON_Delete(lines->lines[i]);
    free(lines->lines);
    *lines = (struct journal_lines){ 0 };
}

int journal_read(int home_fd, struct journal_lines *ret)
{
    static const char *const names[] = { FILE_NAME, FILE_BEFORE };
    int r;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        OWN(free) char *text = NULL;
        size_t n;

        r = read_file(home_fd, names[i], &text, &n);
        if (r == 0)
            r = parse(text, n, ret);
        if (r == 0 || r == -ENOMEM)
            return r;
        if (r != -ENOENT)
            log_error("this journal cannot be read; it is done without", LOG_TEXT("file", names[i]),
                      LOG_TEXT("why", strerror(-r)));
    }
    *ret = (struct journal_lines){ 0 };
    return 0;
}

/* --- writing */

void journal_add(struct journal *journal, cJSON *line)
{
    OWN(free) char *text = line ? cJSON_PrintUnformatted(line) : NULL;
    size_t n = text ? strlen(text) - 1 : 0;
    char sum[SUM_BYTES + 1];

    cJSON_Delete(line);
    if (!text) {
        journal->incomplete = true;
        return;
    }
    print_sum(text, n, sum);
    if (buf_printf(&journal->lines, "%.*s%s\n", (int)n, text, sum) < 0)
        journal->incomplete = true;
}

static int write_new(struct journal *journal, int fd,
                     void (*add_all)(struct journal *journal, void *context), void *context)
{
    buf_clear(&journal->lines);
    journal->incomplete = buf_printf(&journal->lines,
                                     "{\"journal\":1,\"boot\":\"%s\",\"since_ms\":%lld}\n",
                                     journal_boot_id(), (long long)journal->since_ms) < 0;
    add_all(journal, context);
    return journal->incomplete ? -EFBIG : file_write_all(fd, journal->lines.p, journal->lines.len);
}

/* The old file stays whole, under its name or the other, until the new one is there. */
static int change_files(int home_fd)
{
    if (renameat(home_fd, FILE_NAME, home_fd, FILE_BEFORE) < 0 && errno != ENOENT)
        return -errno;
    return renameat(home_fd, FILE_NEW, home_fd, FILE_NAME) < 0 ? -errno : 0;
}

static int begin_anew(struct journal *journal,
                      void (*add_all)(struct journal *journal, void *context), void *context)
{
    OWN(close)
    int fd = openat(journal->home_fd, FILE_NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int r;

    if (fd < 0)
        return -errno;
    r = write_new(journal, fd, add_all, context);
    if (r == 0)
        r = change_files(journal->home_fd);
    if (r < 0) {
        (void)unlinkat(journal->home_fd, FILE_NEW, 0);
        return r;
    }
    if (journal->fd >= 0)
        (void)close(journal->fd);
    journal->fd = take_fd(&fd);
    journal->size = journal->fresh_size = (int64_t)journal->lines.len;
    /* It had room for everything; from now on it has for what changes. */
    buf_done(&journal->lines);
    buf_init(&journal->lines, JOURNAL_BYTES_MAX);
    return 0;
}

int journal_begin(struct journal *journal, int home_fd, int64_t since_ms,
                  void (*add_all)(struct journal *journal, void *context), void *context)
{
    int r;

    *journal = (struct journal){ .home_fd = home_fd, .fd = -1, .since_ms = since_ms };
    buf_init(&journal->lines, JOURNAL_BYTES_MAX);
    r = begin_anew(journal, add_all, context);
    /* Then it is tried again with the next line. */
    journal->failing = r < 0;
    return r;
}

static bool has_grown(const struct journal *journal)
{
    int64_t size = journal->size + (int64_t)journal->lines.len;

    return size > JOURNAL_BYTES_MAX ||
           (size > JOURNAL_SMALL_BYTES && size > journal->fresh_size * JOURNAL_GROWTH);
}

/* A line that is cut short by a full disk would spoil the next one. */
static int append(struct journal *journal)
{
    int r;

    if (journal->fd < 0)
        return -EBADF;
    r = lseek(journal->fd, journal->size, SEEK_SET) < 0
            ? -errno
            : file_write_all(journal->fd, journal->lines.p, journal->lines.len);
    if (r < 0) {
        (void)!ftruncate(journal->fd, journal->size);
        return r;
    }
    journal->size += (int64_t)journal->lines.len;
    buf_clear(&journal->lines);
    return 0;
}

void journal_flush(struct journal *journal, void (*add_all)(struct journal *journal, void *context),
                   void *context)
{
    bool anew = journal->failing || journal->incomplete || has_grown(journal);
    int r;

    if (!journal->lines.len && !anew)
        return;
    /* After a failure all of it is said anew. */
    r = anew ? begin_anew(journal, add_all, context) : append(journal);
    if (r < 0 && !journal->failing)
        log_error("the journal cannot be written; the fleet goes on without it",
                  LOG_TEXT("why", strerror(-r)));
    if (r == 0 && journal->failing)
        log_info("the journal can be written again");
    journal->failing = r < 0;
}

void journal_close(struct journal *journal)
{
    buf_done(&journal->lines);
    if (journal->fd >= 0)
        (void)close(journal->fd);
    journal->fd = -1;
}
