/*
 * `opsctl events`: what happened to the workers, a line for each change of state. With -f it goes
 * on until nobody wants to see more, also through a restart of opsd.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_output.h"
#include "opsctl_row.h"
#include "own.h"

enum {
    EVENTS_DEFAULT = 15,
    AT_COLUMNS = 24,
    NAME_COLUMNS = 24,
    STATE_COLUMNS = 15,
    /* On less than this all but the reason shall fit into 80, and the reason stands below. */
    WIDE_COLUMNS = 120,
    NAME_COLUMNS_NARROW = 16,
};

struct event_view {
    const struct args *args;
    struct terminal terminal;
    cJSON *events; /* with --json, without -f: they become one document */
};

/* --- a line */

/* The columns line up unless a name is longer. */
static void print_padded(const struct event_view *view, const char *text, size_t columns,
                         enum colour colour)
{
    size_t width = display_width(text, strlen(text));

    (void)printf("%s%s%s%*s", terminal_begin(&view->terminal, colour), text,
                 terminal_end(&view->terminal, colour),
                 width < columns ? (int)(columns - width) : 0, "");
}

static bool is_narrow(const struct event_view *view)
{
    return view->terminal.columns && view->terminal.columns < WIDE_COLUMNS;
}

static int add_name(struct buf *to, const cJSON *event)
{
    const char *name = json_get_text(event, "name");
    int64_t instance;
    int r = name ? display_add(to, name, strlen(name), DISPLAY_CELL) : -EPROTO;

    if (r == 0 && json_get_id(event, "instance", &instance) == 0 && instance > 0)
        r = buf_printf(to, ":%lld", (long long)instance);
    return r;
}

/* "restarted by hand", or how it ended where that was not said. */
static int add_why(struct buf *to, const cJSON *event)
{
    const char *reason = json_get_text(event, "reason");

    buf_clear(to);
    return reason ? buf_add_text(to, reason) : row_add_exit(to, event);
}

/* Ends the line. */
static int print_why(const struct event_view *view, const char *why)
{
    if (!is_narrow(view))
        return display_print(stdout, "  ", why, DISPLAY_CELL);
    (void)printf("\n");
    return display_print_folded(stdout, &view->terminal, "    ", why);
}

static int print_event(const struct event_view *view, const cJSON *event)
{
    const char *at = json_get_text(event, "at"), *from = json_get_text(event, "from");
    const char *to = json_get_text(event, "to");
    OWN_BUF struct buf text = { 0 };
    int r;

    if (!at || !from)
        return -EPROTO;
    buf_init(&text, CLIENT_LINE_MAX);
    r = add_name(&text, event);
    if (r < 0)
        return r;
    (void)printf("%-*s  ", AT_COLUMNS, at);
    print_padded(view, text.p, is_narrow(view) ? NAME_COLUMNS_NARROW : NAME_COLUMNS, COLOUR_BOLD);
    (void)printf("  ");
    print_padded(view, from, STATE_COLUMNS, COLOUR_NONE);
    (void)printf("  -> ");
    r = add_why(&text, event);
    print_padded(view, to ? to : "forgotten", text.len && !is_narrow(view) ? STATE_COLUMNS : 0,
                 to ? state_colour(to) : COLOUR_DIM);
    if (r == 0 && text.len)
        return print_why(view, text.p);
    (void)printf("\n");
    return r;
}

/* --- what comes in */

static int take_event(struct event_view *view, const cJSON *event)
{
    if (view->events)
        return cJSON_AddItemToArray(view->events, cJSON_Duplicate(event, true)) ? 0 : -ENOMEM;
    if (view->args->json)
        return print_json(event) == EXIT_DONE ? 0 : -ENOMEM;
    return print_event(view, event);
}

static int take_gap(struct event_view *view, const cJSON *params)
{
    int64_t events;

    if (view->events || json_get_id(params, "events", &events) < 0)
        return 0;
    if (view->args->json)
        return print_json(params) == EXIT_DONE ? 0 : -ENOMEM;
    (void)complain(0, "%lld events are left out here: they came faster than they were read",
                   (long long)events);
    return 0;
}

static int take_message(void *to, const struct message *m)
{
    struct event_view *view = to;

    if (strcmp(m->method, "event") == 0)
        return take_event(view, m->params);
    return strcmp(m->method, "gap") == 0 ? take_gap(view, m->params) : 0;
}

static int ask(struct session *s, int64_t lines)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    int64_t id;
    int r = -ENOMEM;

    if (params && json_put_bool(params, "follow", s->args->follow) &&
        (lines < 0 || json_put_int(params, "lines", lines)))
        r = client_send(&s->client, "events", TAKE(params), &id);
    return r < 0 ? complain(EXIT_FAILED, "asking opsd for events: %s", strerror(-r)) : EXIT_DONE;
}

/* The opsd that took over knows only what happened since. */
static int go_on(struct session *s, void *unused, const struct err *how)
{
    int r;

    (void)unused;
    if (!s->args->follow)
        return session_cut(s, how);
    r = session_go_on(s, how);
    if (r != EXIT_DONE)
        return r;
    s->client.watch_output = true;
    (void)complain(0, "opsd was restarted; what happened meanwhile may be missing here");
    return ask(s, -1);
}

static const struct session_stream stream = {
    .take = take_message,
    .go_on = go_on,
    .unshown = "an event cannot be shown",
};

static int print_document(struct event_view *view)
{
    OWN(json) cJSON *document = cJSON_CreateObject();

    if (!document || !json_put_int(document, "version", 1) ||
        !json_put(document, "events", TAKE(view->events)))
        return complain(EXIT_FAILED, "out of memory");
    return print_json(document);
}

int command_events(struct session *s)
{
    struct event_view view = { .args = s->args, .terminal = terminal_look(STDOUT_FILENO) };
    bool whole = s->args->json && !s->args->follow;
    int r;

    if (whole)
        view.events = cJSON_CreateArray();
    r = session_open(s);
    if (r == EXIT_DONE)
        r = ask(s, s->args->lines < 0 ? EVENTS_DEFAULT : s->args->lines);
    if (r == EXIT_DONE) {
        output_catch_interrupts();
        s->client.watch_output = s->args->follow;
        r = session_stream(s, &stream, &view);
    }
    if (r == EXIT_DONE && whole)
        r = print_document(&view);
    cJSON_Delete(view.events);
    return r;
}
