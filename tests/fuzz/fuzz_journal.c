/*
 * Any bytes as the journal: an opsd that is started reads it, whatever happened to it. Beyond not
 * crashing: what was read can be taken by an instance, and what that says of itself comes back the
 * same.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fleet.h"
#include "json.h"
#include "own.h"
#include "record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct app app = { .name = "w", .restart = { .restart_window_ms = 1000 } };

static void leave(void);

/* A home in memory, made once; it goes when the program ends. */
static char home[64];

static int open_home(void)
{
    static int fd = -1;

    if (fd >= 0)
        return fd;
    (void)snprintf(home, sizeof home, "/dev/shm/fuzz_journal.XXXXXX");
    if (!mkdtemp(home))
        abort();
    (void)atexit(leave);
    fd = open(home, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd;
}

static void leave(void)
{
    (void)unlinkat(open_home(), "journal", 0);
    (void)rmdir(home);
}

static void put_journal(int home_fd, const uint8_t *data, size_t n)
{
    OWN(close) int fd = openat(home_fd, "journal", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    char header[128];
    int length = 0;

    /* Most bytes are to be lines, and not the reason why there are none. */
    if (n && data[0] != '{')
        length = snprintf(header, sizeof header, "{\"journal\":1,\"boot\":\"%s\"}\n",
                          journal_boot_id());
    if (write(fd, header, (size_t)length) != length || write(fd, data, n) != (ssize_t)n)
        abort();
}

/* What the reader says of damage is of no interest, millions of times; OPS_DEBUG=1 shows it, and
 * what a sanitizer says of the reader. */
static int read_quietly(int home_fd, struct journal_lines *ret)
{
    OWN(close) int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    OWN(close) int console = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int r;

    if (!getenv("OPS_DEBUG"))
        (void)dup2(null, STDERR_FILENO);
    r = journal_read(home_fd, ret);
    (void)dup2(console, STDERR_FILENO);
    return r;
}

static cJSON *print_and_parse(struct instance *i)
{
    OWN(json) cJSON *line = record_print(i, true);
    OWN(free) char *text = cJSON_PrintUnformatted(line);
    struct err why;
    cJSON *again;

    assert(text && !strchr(text, '\n'));
    assert(json_parse(text, strlen(text), &again, &why) == 0);
    return again;
}

static void init(struct instance *i, struct fleet *fleet)
{
    *i = (struct instance){ .fleet = fleet, .app = &app, .number = 1 };
    machine_init(&i->machine);
}

static void done(struct instance *i)
{
    free(i->exits);
    free(i->stats);
}

/* The rest of the program relies on these. */
static void check(const struct instance *i)
{
    assert(i->machine.state > STATE_NONE && i->machine.state < STATES);
    assert(i->machine.cause < STOP_CAUSES);
    assert(memchr(i->notify_address, '\0', sizeof i->notify_address));
    assert(memchr(i->status_text, '\0', sizeof i->status_text));
    assert(memchr(i->machine.reason.text, '\0', sizeof i->machine.reason.text));
}

/* A text that is cut may end in half a character, which is then printed as another one. */
static void forget_texts(cJSON *line)
{
    static const char *const names[] = { "reason", "notify_address", "status_text" };
    cJSON *exit;

    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
        cJSON_DeleteItemFromObjectCaseSensitive(line, names[k]);
    cJSON_ArrayForEach(exit, json_get(line, "exits"))
        cJSON_DeleteItemFromObjectCaseSensitive(exit, "reason");
}

static void take(const struct journal_lines *lines)
{
    struct fleet fleet = { .count = 0 };
    struct record_key key;
    struct instance one, two;
    OWN(json) cJSON *first = NULL, *second = NULL;

    init(&one, &fleet);
    init(&two, &fleet);
    for (size_t k = 0; k < lines->count; k++) {
        if (record_key(lines->lines[k], &key))
            assert(key.name);
        record_parse(lines->lines[k], &one);
        check(&one);
    }
    first = print_and_parse(&one);
    record_parse(first, &two);
    check(&two);
    second = print_and_parse(&two);
    forget_texts(first);
    forget_texts(second);
    assert(cJSON_Compare(first, second, 1));
    done(&one);
    done(&two);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct journal_lines lines;
    int home_fd = open_home();

    put_journal(home_fd, data, n);
    assert(read_quietly(home_fd, &lines) == 0);
    take(&lines);
    journal_lines_free(&lines);
    return 0;
}
