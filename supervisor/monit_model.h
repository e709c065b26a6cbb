#ifndef OPS_MONIT_MODEL_H
#define OPS_MONIT_MODEL_H
/*
 * What `opsctl monit` shows, as data: the fleet with what each worker used lately, which one is
 * selected, its last lines. Pure: no terminal, no clock, no opsd; all texts in it are safe to show.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

enum {
    MONIT_SAMPLES = 64, /* a second each: the widest sparkline */
    MONIT_LINES = 1000, /* of the selected worker: more than any screen has */
    MONIT_FILTER_MAX = 64,
    MONIT_MESSAGE_MAX = 256,
};

/* The newest is the last. */
struct monit_samples {
    double values[MONIT_SAMPLES];
    size_t count;
};

struct monit_worker {
    int64_t id;
    char *label; /* NAME or NAME:INSTANCE, as commands take it */
    char *space, *state, *status;
    int64_t restarts, uptime_ms; /* -1: it does not run */
    double cpu_percent, memory_bytes;
    struct monit_samples cpu, memory;
};

struct monit_line {
    char *text;
    bool err;
};

struct monit {
    struct monit_worker *workers;
    size_t count;
    int64_t selected; /* an id; -1: none */
    char filter[MONIT_FILTER_MAX];
    bool typing;      /* the filter is being typed */
    const char *asks; /* what is to be confirmed: "stop"; NULL: nothing */
    bool connected;
    char message[MONIT_MESSAGE_MAX]; /* of the last command, or "" */
    bool failed;                     /* it is bad news */
    struct monit_line lines[MONIT_LINES];
    size_t line_count; /* ever taken; the last MONIT_LINES are there */
};

void monit_init(struct monit *m);
void monit_done(struct monit *m);

/* The "workers" of workers_stat: what was sampled stays with its id; a selected worker that is gone
 * gives way to its neighbour. Returns 0 or -ENOMEM, with the fleet as it was. */
int monit_take_fleet(struct monit *m, const cJSON *workers);

/* A line of the selected worker, of any bytes. Returns 0 or -ENOMEM. */
int monit_take_line(struct monit *m, const char *bytes, size_t n, bool err);
void monit_forget_lines(struct monit *m);

/* The i-th line from the end, from 0; NULL past the first that is there. */
const struct monit_line *monit_line_back(const struct monit *m, size_t i);

/* The workers that the filter lets through: those with its text in their name, namespace or state.
 * monit_at gives the i-th; NULL past the last. */
size_t monit_visible(const struct monit *m);
const struct monit_worker *monit_at(const struct monit *m, size_t i);

/* The selected one, or NULL; and its place among the visible ones. */
const struct monit_worker *monit_selected(const struct monit *m);
size_t monit_place(const struct monit *m);

/* Moves the selection by so many visible workers, as far as there are any. Returns whether another
 * is selected now. */
bool monit_move(struct monit *m, long by);

/* Adds a character to the filter, or takes the last away ('\b'); the selection stays visible.
 * Returns whether another is selected now. */
bool monit_type(struct monit *m, int c);

/* Says something to the person. */
void monit_say(struct monit *m, bool failed, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The last `columns` samples as a line of blocks, scaled to the largest of them, but at least to
 * `least`. Returns 0 or -ENOMEM. */
int monit_spark(const struct monit_samples *samples, size_t columns, double least, struct buf *to);

/* How many are in that state. */
size_t monit_count(const struct monit *m, const char *state);

#endif
