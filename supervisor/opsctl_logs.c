/*
 * `opsctl logs`: what workers printed, with the worker's name before each line wherever lines of
 * several can stand together.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "instant.h"
#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_output.h"
#include "own.h"

enum {
    LINES_DEFAULT = 15, /* PM2's */
    /* Labels are lined up; a longer one sticks out rather than push all lines to the right. */
    LABEL_COLUMNS_MAX = 32,
};

struct view {
    const struct args *args;
    struct terminal terminal;
    struct buf line, label;
    bool labelled;
    int64_t since; /* wall clock; 0: not asked for */
    size_t label_columns;
    cJSON *several; /* the names that have several instances, as members */
    /* Where each file goes on, as opsd last said ("source", commands.h): with these another opsd
     * goes on where this one was. */
    cJSON **places;
    size_t count;
    bool began; /* something was printed */
};

static void view_done(struct view *view)
{
    buf_done(&view->line);
    buf_done(&view->label);
    cJSON_Delete(view->several);
    for (size_t i = 0; i < view->count; i++)
        cJSON_Delete(view->places[i]);
    free(view->places);
}

/* --- where each file goes on */

/* Sources are told in order, and anew by each opsd. Returns 0, -EPROTO or -ENOMEM. */
static int note_source(struct view *view, const cJSON *params)
{
    cJSON **grown, *place = cJSON_Duplicate(params, true);
    int64_t number;

    if (json_get_id(params, "source", &number) < 0 || number < 0 || number > (int64_t)view->count) {
        cJSON_Delete(place);
        return -EPROTO;
    }
    grown = realloc(view->places, (view->count + 1) * sizeof *grown);
    if (grown)
        view->places = grown;
    if (!grown || !place) {
        cJSON_Delete(place);
        return -ENOMEM;
    }
    if ((size_t)number == view->count)
        view->places[view->count++] = NULL;
    cJSON_Delete(view->places[number]);
    view->places[number] = place;
    return 0;
}

static void note_line(struct view *view, const cJSON *params)
{
    int64_t number, at;

    if (json_get_id(params, "source", &number) == 0 && number >= 0 &&
        number < (int64_t)view->count && json_get_id(params, "at", &at) == 0)
        (void)cJSON_SetNumberHelper(cJSON_GetObjectItemCaseSensitive(view->places[number], "at"),
                                    (double)at);
}

static cJSON *print_places(const struct view *view)
{
    cJSON *list = cJSON_CreateArray();

    for (size_t i = 0; list && i < view->count; i++)
        (void)cJSON_AddItemToArray(list, cJSON_Duplicate(view->places[i], true));
    return list;
}

/* --- what is printed */

static int make_label(struct view *view, const cJSON *row)
{
    const char *name = json_get_text(row, "name");
    int64_t instance;
    int r;

    buf_clear(&view->label);
    r = display_add(&view->label, name ? name : "?", name ? strlen(name) : 1, DISPLAY_CELL);
    if (r == 0 && name && json_get(view->several, name) &&
        json_get_id(row, "instance", &instance) == 0)
        r = buf_printf(&view->label, ":%lld", (long long)instance);
    return r;
}

/* Which workers there are decides on the labels: none for a single one, its instance only where
 * the name alone would not do. */
static int learn_labels(struct view *view, const cJSON *workers)
{
    const cJSON *row;
    int64_t instance;
    size_t width;

    view->several = cJSON_CreateObject();
    view->labelled = !view->args->raw && cJSON_GetArraySize(workers) > 1;
    cJSON_ArrayForEach(row, workers)
    {
        const char *name = json_get_text(row, "name");

        if (name && json_get_id(row, "instance", &instance) == 0 && instance > 0 &&
            !json_get(view->several, name) && !json_put_null(view->several, name))
            return -ENOMEM;
    }
    cJSON_ArrayForEach(row, workers)
    {
        if (make_label(view, row) < 0)
            return -ENOMEM;
        width = display_width(view->label.p, view->label.len);
        if (width > view->label_columns && width <= LABEL_COLUMNS_MAX)
            view->label_columns = width;
    }
    return 0;
}

static void print_label(struct view *view, bool err)
{
    enum colour colour = err ? COLOUR_RED : COLOUR_GREEN;
    size_t width = display_width(view->label.p, view->label.len);
    int pad = width < view->label_columns ? (int)(view->label_columns - width) : 0;

    (void)printf("%s%s%*s |%s ", terminal_begin(&view->terminal, colour), view->label.p, pad, "",
                 terminal_end(&view->terminal, colour));
}

static int print_line(struct view *view, const cJSON *params)
{
    int r = output_read(params, &view->line);

    if (r == 0 && view->labelled) {
        r = make_label(view, params);
        if (r == 0)
            print_label(view, output_is_err(params));
    }
    return r < 0 ? r : output_print(stdout, &view->line, view->args->raw);
}

/* Where the lines would be; with --raw stdout is the workers' own. */
static int print_gap(struct view *view, const cJSON *params, int64_t lines)
{
    int r = view->labelled ? make_label(view, params) : 0;

    if (view->args->raw)
        (void)complain(0, "%lld lines skipped: they came faster than they were read",
                       (long long)lines);
    if (view->args->raw || r < 0)
        return r;
    if (view->labelled)
        print_label(view, output_is_err(params));
    (void)printf("… %lld lines skipped\n", (long long)lines);
    return 0;
}

static int print_message(void *to, const struct message *m)
{
    struct view *view = to;
    int64_t lines;

    if (strcmp(m->method, "source") == 0)
        return note_source(view, m->params);
    note_line(view, m->params);
    view->began = true;
    if (view->args->json)
        return print_json(m->params) == EXIT_DONE ? 0 : -ENOMEM;
    if (strcmp(m->method, "log") == 0)
        return print_line(view, m->params);
    if (strcmp(m->method, "gap") == 0 && json_get_id(m->params, "lines", &lines) == 0)
        return print_gap(view, m->params, lines);
    return 0;
}

static cJSON *logs_params(const struct view *view)
{
    const struct args *args = view->args;
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *names = cJSON_CreateArray();

    for (size_t i = 0; names && i < args->count; i++)
        (void)cJSON_AddItemToArray(names, cJSON_CreateString(args->words[i]));
    if (names && !args->count)
        (void)cJSON_AddItemToArray(names, cJSON_CreateString("all"));
    if (!params || !json_put(params, "names", TAKE(names)) ||
        ((args->lines >= 0 || !view->since) &&
         !json_put_int(params, "lines", args->lines < 0 ? LINES_DEFAULT : args->lines)) ||
        (view->since && !json_put_int(params, "since", view->since)) ||
        (args->grep && !json_put_text(params, "grep", args->grep)) ||
        !json_put_bool(params, "follow", args->follow) ||
        !json_put_bool(params, "out", args->out || !args->err) ||
        !json_put_bool(params, "err", args->err || !args->out) ||
        (args->follow && !json_put_bool(params, "places", true)) ||
        (view->count && !json_put(params, "from", print_places(view))))
        return NULL;
    return TAKE(params);
}

static int ask(struct session *s, const struct view *view)
{
    int64_t id;
    int r = client_send(&s->client, "logs", logs_params(view), &id);

    return r < 0 ? complain(EXIT_FAILED, "asking opsd for logs: %s", strerror(-r)) : EXIT_DONE;
}

/* Goes on with the opsd that took over, where the one before was. */
static int go_on(struct session *s, void *of, const struct err *how)
{
    const struct view *view = of;
    int r;

    if (!s->args->follow || (view->began && !view->count))
        return session_cut(s, how);
    r = session_go_on(s, how);
    if (r != EXIT_DONE)
        return r;
    s->client.watch_output = true;
    return ask(s, view);
}

static const struct session_stream stream = {
    .take = print_message,
    .go_on = go_on,
    .unshown = "a line of a log cannot be shown",
};

static int show(struct session *s, struct view *view)
{
    OWN(json) cJSON *fleet = NULL;
    cJSON *params = s->args->count == 1 ? session_name_params(s) : cJSON_CreateObject();
    int r;

    r = session_ask(s, "workers_stat", params, session_timeout_ms(s), &fleet);
    if (r != EXIT_DONE)
        return r;
    if (learn_labels(view, json_get(fleet, "workers")) < 0)
        return complain(EXIT_FAILED, "out of memory");
    r = ask(s, view);
    if (r != EXIT_DONE)
        return r;
    output_catch_interrupts();
    s->client.watch_output = s->args->follow;
    return session_stream(s, &stream, view);
}

/* A point in time, or a span before now with its unit: 60 alone could be anything. */
static int read_since(const char *text, int64_t *ret)
{
    int64_t span;

    if (instant_parse(text, ret) == 0)
        return *ret > 0 ? 0 : -EINVAL;
    if (!isalpha((unsigned char)text[strlen(text) - 1]) || duration_parse(text, &span) < 0)
        return -EINVAL;
    *ret = instant_now() - span;
    return 0;
}

int command_logs(struct session *s)
{
    struct view view = { .args = s->args, .terminal = terminal_look(STDOUT_FILENO) };
    int r;

    if (s->args->since && read_since(s->args->since, &view.since) < 0)
        return complain(EXIT_USAGE,
                        "--since: want a duration with its unit (10m, 2h) or an instant "
                        "(2026-11-21T10:00:00Z), got \"%s\"",
                        s->args->since);
    buf_init(&view.line, CLIENT_LINE_MAX);
    buf_init(&view.label, CLIENT_LINE_MAX);
    r = session_open(s);
    if (r == EXIT_DONE)
        r = show(s, &view);
    view_done(&view);
    return r;
}
