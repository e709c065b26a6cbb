/*
 * The ring of what happened. An event is kept as the JSON that it is told with: it is written once
 * and read by as many as look on, long after the instance has changed.
 */
#include "events.h"

#include <stdlib.h>

#include "fleet.h"
#include "instant.h"
#include "json_write.h"
#include "report.h"

enum { EVENT_BYTES_MAX = 8 << 10 };

static char **slot_of(const struct events *events, uint64_t number)
{
    return &events->ring[number % EVENTS_KEPT];
}

/* to NULL: it is gone. */
static void add(struct events *events, const struct instance *i, const char *to)
{
    const struct machine *m = &i->machine;
    OWN_JSON_WRITER struct json_writer w = { 0 };
    char at[INSTANT_TEXT_MAX];
    char **slot;

    if (!events->ring)
        events->ring = calloc(EVENTS_KEPT, sizeof *events->ring);
    if (!events->ring)
        return;
    json_write_init(&w, EVENT_BYTES_MAX);
    json_write_open(&w, NULL, '{');
    json_write_int(&w, "number", (int64_t)events->last + 1);
    json_write_text(&w, "at", instant_print(instant_now(), at));
    json_write_text(&w, "name", i->app->name);
    json_write_text(&w, "namespace", i->app->space);
    json_write_int(&w, "instance", i->number);
    json_write_int(&w, "id", i->id);
    json_write_text(&w, "from", state_name((enum state)i->seen.state));
    json_write_text(&w, "to", to);
    json_write_text(&w, "reason", m->reason.text[0] ? m->reason.text : NULL);
    report_write_status(&w, m->exited && i->exit_count != i->seen.exits, m->last_exit);
    report_write_number(&w, "pid", i->pid, i->pid);
    json_write_close(&w, '}');
    slot = slot_of(events, ++events->last);
    free(*slot);
    *slot = w.error ? NULL : buf_take(&w.text);
}

/* A run by hand has somebody who looks on already, and is no state of the worker. */
void events_look(struct events *events, struct instance *i)
{
    enum state state = i->machine.state;

    if (i->run || (int)state == i->seen.state)
        return;
    if (i->seen.state != STATE_NONE)
        add(events, i, state_name(state));
    i->seen = (struct events_seen){ (int)state, i->exit_count };
}

void events_gone(struct events *events, struct instance *i)
{
    if (i->run || i->seen.state == STATE_NONE)
        return;
    events_look(events, i);
    add(events, i, NULL);
}

uint64_t events_first(const struct events *events, uint64_t number)
{
    uint64_t oldest = events->last > EVENTS_KEPT ? events->last - EVENTS_KEPT + 1 : 1;

    return number > oldest ? number : oldest;
}

const char *events_text(const struct events *events, uint64_t number)
{
    return *slot_of(events, number);
}

void events_done(struct events *events)
{
    for (size_t i = 0; events->ring && i < EVENTS_KEPT; i++)
        free(events->ring[i]);
    free(events->ring);
    *events = (struct events){ 0 };
}
