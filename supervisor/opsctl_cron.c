/*
 * `opsctl cron`: when a schedule is due, before anything relies on it. Needs no opsd.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cron_words.h"
#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"

enum {
    INSTANTS_DEFAULT = 5,
    INSTANTS_MAX = 100000, /* a day of seconds */
    WORDS_MAX = 6,
    EXPRESSION_MAX = 1024, /* more than a schedule may have: cron_parse says so */
};

struct question {
    char expression[EXPRESSION_MAX];
    struct cron cron;
    const struct zone *zone;
    int64_t from, n;
};

/* The words as one text: quotes are easily forgotten around `@every 90s`. */
static int join(const struct args *args, char *ret, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < args->count; i++) {
        int added = snprintf(ret + n, size - n, "%s%s", i ? " " : "", args->words[i]);

        if (added < 0 || (size_t)added >= size - n)
            return -1;
        n += (size_t)added;
    }
    return 0;
}

/* Returns EXIT_DONE, or says what is wrong and returns the exit code. */
static int ask(const struct args *args, struct question *q)
{
    struct err err;

    q->from = instant_now();
    q->n = args->lines < 0 ? INSTANTS_DEFAULT : args->lines;
    if (q->n > INSTANTS_MAX)
        return complain(EXIT_USAGE, "-n: want at most %d instants", INSTANTS_MAX);
    if (args->from && instant_parse(args->from, &q->from) < 0)
        return complain(EXIT_USAGE,
                        "--from: want an instant such as 2026-03-29T00:00:00Z, got \"%s\"",
                        args->from);
    if (zone_open(args->zone, &q->zone, &err) < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    if (args->count > WORDS_MAX || join(args, q->expression, sizeof q->expression) < 0)
        return complain(EXIT_FAILED, "that is too much for a schedule; put it in quotes, or the "
                                     "shell makes file names of each *");
    if (cron_parse(q->expression, &q->cron, &err) < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    return EXIT_DONE;
}

/* For people: "2026-12-07T00:00:00Z  mon 2026-12-07 03:00:00  in 15d10h". */
static int print_for_people(const struct question *q, int64_t due, const char *instant)
{
    static const char *const weekdays[] = { "sun", "mon", "tue", "wed", "thu", "fri", "sat" };
    OWN_BUF struct buf line = { 0 };
    struct local at;
    int r;

    buf_init(&line, CLIENT_LINE_MAX);
    zone_local(q->zone, due, &at);
    r = buf_printf(&line, "%s  %s %04d-%02d-%02d %02d:%02d:%02d  ", instant, weekdays[at.weekday],
                   at.year, at.month, at.day, at.hour, at.minute, at.second);
    if (r == 0)
        r = row_add_instant(&line, instant, instant_now());
    return r < 0 ? r : display_print(stdout, "", line.p, DISPLAY_CELL);
}

/* One instant a line; into a terminal with what its clock shows then. */
static int print_instant(const struct question *q, int64_t due, cJSON *list)
{
    char text[INSTANT_TEXT_MAX];

    (void)instant_print(due, text);
    if (list)
        return cJSON_AddItemToArray(list, cJSON_CreateString(text)) ? 0 : -1;
    if (isatty(STDOUT_FILENO))
        return print_for_people(q, due, text);
    return printf("%s\n", text) < 0 ? -1 : 0;
}

static int print_title(const struct question *q, const char *zone)
{
    OWN_BUF struct buf line = { 0 };
    int r;

    buf_init(&line, CLIENT_LINE_MAX);
    r = cron_words(&q->cron, &line);
    if (r == 0 && zone)
        r = buf_printf(&line, ", %s", zone);
    return r < 0 ? r : display_print(stdout, "", line.p, DISPLAY_CELL);
}

static int print_instants(const struct question *q, cJSON *list)
{
    int64_t due = q->from;

    for (int64_t i = 0; i < q->n; i++) {
        if (cron_next(&q->cron, q->zone, due, &due) < 0)
            return complain(EXIT_FAILED, "not due again within %d years", CRON_YEARS_MAX);
        if (print_instant(q, due, list) < 0)
            return complain(EXIT_FAILED, "cannot write the answer");
    }
    return EXIT_DONE;
}

static int print_document(const struct question *q, const char *zone)
{
    OWN(json) cJSON *document = cJSON_CreateObject();
    OWN_BUF struct buf words = { 0 };
    cJSON *list = cJSON_CreateArray();
    char from[INSTANT_TEXT_MAX];
    int r;

    buf_init(&words, CLIENT_LINE_MAX);
    if (cron_words(&q->cron, &words) < 0 || !json_put_text(document, "expression", q->expression) ||
        !json_put_text(document, "words", words.p) || !json_put_text(document, "timezone", zone) ||
        !json_put_text(document, "from", instant_print(q->from, from)) ||
        !json_put(document, "next", list))
        return complain(EXIT_FAILED, "out of memory");
    r = print_instants(q, list);
    return r == EXIT_DONE ? print_json(document) : r;
}

int command_cron(struct session *s)
{
    struct question q = { 0 };
    int r;

    r = ask(s->args, &q);
    if (r != EXIT_DONE)
        return r;
    if (s->args->json)
        return print_document(&q, s->args->zone);
    if (isatty(STDOUT_FILENO) && print_title(&q, s->args->zone) < 0)
        return complain(EXIT_FAILED, "cannot write the answer");
    return print_instants(&q, NULL);
}
