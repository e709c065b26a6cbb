/* What `opsctl monit` shows, as data. */
#include "monit_model.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "opsctl_display.h"
#include "opsctl_row.h"

enum { TEXT_MAX = 1 << 20, TAB_COLUMNS = 4 };

void monit_init(struct monit *m)
{
    *m = (struct monit){ .selected = -1 };
}

static void worker_done(struct monit_worker *w)
{
    free(w->label);
    free(w->space);
    free(w->state);
    free(w->status);
}

static void workers_free(struct monit_worker *workers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        worker_done(&workers[i]);
    free(workers);
}

void monit_forget_lines(struct monit *m)
{
    for (size_t i = 0; i < MONIT_LINES; i++) {
        free(m->lines[i].text);
        m->lines[i].text = NULL;
    }
    m->line_count = 0;
}

void monit_done(struct monit *m)
{
    workers_free(m->workers, m->count);
    monit_forget_lines(m);
    monit_init(m);
}

/* --- the fleet */

static void sample(struct monit_samples *samples, double value)
{
    if (samples->count == MONIT_SAMPLES)
        memmove(samples->values, samples->values + 1, --samples->count * sizeof(double));
    samples->values[samples->count++] = value;
}

/* What row_text says, safe for a terminal; NULL when memory ran out. */
static char *safe_text(const struct row_context *context, row_text *text)
{
    OWN_BUF struct buf raw = { 0 };
    OWN_BUF struct buf safe = { 0 };

    buf_init(&raw, TEXT_MAX);
    buf_init(&safe, TEXT_MAX);
    if (text(context, &raw) < 0 ||
        (raw.len && display_add(&safe, raw.p, raw.len, DISPLAY_CELL) < 0))
        return NULL;
    return safe.len ? buf_take(&safe) : strdup("");
}

static double number_of(const cJSON *row, const char *member)
{
    const cJSON *number = json_get(row, member);

    return cJSON_IsNumber(number) ? number->valuedouble : 0;
}

static const struct monit_worker *by_id(const struct monit *m, int64_t id)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->workers[i].id == id)
            return &m->workers[i];
    return NULL;
}

static int take_row(const struct monit *m, const cJSON *row, struct monit_worker *ret)
{
    const struct row_context context = { .row = row };
    const struct monit_worker *before;

    *ret = (struct monit_worker){ .uptime_ms = -1,
                                  .label = safe_text(&context, row_name),
                                  .space = safe_text(&context, row_namespace),
                                  .state = safe_text(&context, row_outcome),
                                  .status = safe_text(&context, row_status),
                                  .cpu_percent = number_of(row, "cpu_percent"),
                                  .memory_bytes = number_of(row, "memory_bytes") };
    if (json_get_id(row, "id", &ret->id) < 0)
        ret->id = -1;
    (void)json_get_id(row, "restarts", &ret->restarts);
    (void)json_get_id(row, "uptime_ms", &ret->uptime_ms);
    before = by_id(m, ret->id);
    if (before) {
        ret->cpu = before->cpu;
        ret->memory = before->memory;
    }
    sample(&ret->cpu, ret->cpu_percent);
    sample(&ret->memory, ret->memory_bytes);
    return ret->label && ret->space && ret->state && ret->status ? 0 : -ENOMEM;
}

/* place: where the selected one was. */
static void select_somebody(struct monit *m, size_t place)
{
    size_t visible = monit_visible(m);
    const struct monit_worker *w = monit_selected(m);

    if (w && monit_at(m, monit_place(m)) == w)
        return;
    w = visible ? monit_at(m, place < visible ? place : visible - 1) : NULL;
    m->selected = w ? w->id : -1;
}

int monit_take_fleet(struct monit *m, const cJSON *workers)
{
    size_t count = (size_t)cJSON_GetArraySize(workers), n = 0, place = monit_place(m);
    struct monit_worker *taken = calloc(count + 1, sizeof *taken);
    const cJSON *row;

    if (!taken)
        return -ENOMEM;
    cJSON_ArrayForEach(row, workers)
    {
        if (take_row(m, row, &taken[n++]) < 0) {
            workers_free(taken, n);
            return -ENOMEM;
        }
    }
    workers_free(m->workers, m->count);
    m->workers = taken;
    m->count = n;
    select_somebody(m, place);
    return 0;
}

size_t monit_count(const struct monit *m, const char *state)
{
    size_t n = 0;

    for (size_t i = 0; i < m->count; i++)
        n += strcmp(m->workers[i].state, state) == 0;
    return n;
}

/* --- the filter and the selection */

static bool passes(const struct monit *m, const struct monit_worker *w)
{
    return strcasestr(w->label, m->filter) || strcasestr(w->space, m->filter) ||
           strcasestr(w->state, m->filter);
}

size_t monit_visible(const struct monit *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->count; i++)
        n += passes(m, &m->workers[i]);
    return n;
}

const struct monit_worker *monit_at(const struct monit *m, size_t place)
{
    for (size_t i = 0; i < m->count; i++)
        if (passes(m, &m->workers[i]) && place-- == 0)
            return &m->workers[i];
    return NULL;
}

const struct monit_worker *monit_selected(const struct monit *m)
{
    return m->selected < 0 ? NULL : by_id(m, m->selected);
}

size_t monit_place(const struct monit *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->count && m->workers[i].id != m->selected; i++)
        n += passes(m, &m->workers[i]);
    return n;
}

bool monit_move(struct monit *m, long by)
{
    long visible = (long)monit_visible(m), place = (long)monit_place(m) + by;
    int64_t before = m->selected;

    if (!visible)
        return false;
    place = place < 0 ? 0 : place >= visible ? visible - 1 : place;
    m->selected = monit_at(m, (size_t)place)->id;
    return m->selected != before;
}

bool monit_type(struct monit *m, int c)
{
    size_t n = strlen(m->filter), place = monit_place(m);
    int64_t before = m->selected;

    if (c == '\b' && n)
        m->filter[n - 1] = '\0';
    else if (c >= ' ' && c <= '~' && n + 1 < sizeof m->filter)
        m->filter[n] = (char)c, m->filter[n + 1] = '\0';
    select_somebody(m, place);
    return m->selected != before;
}

/* --- lines */

/* Tabs become spaces; what else could steer the terminal is shown as what it is. */
static int add_safe(struct buf *to, const char *bytes, size_t n)
{
    const char *tab;
    size_t length;
    int r = 0;

    while (n && r == 0) {
        tab = memchr(bytes, '\t', n);
        length = tab ? (size_t)(tab - bytes) : n;
        r = display_add(to, bytes, length, DISPLAY_CELL);
        if (r == 0 && tab)
            r = buf_printf(to, "%*s", TAB_COLUMNS, "");
        length += tab != NULL;
        bytes += length;
        n -= length;
    }
    return r;
}

int monit_take_line(struct monit *m, const char *bytes, size_t n, bool err)
{
    struct monit_line *line = &m->lines[m->line_count % MONIT_LINES];
    OWN_BUF struct buf safe = { 0 };
    char *text;
    int r;

    buf_init(&safe, TEXT_MAX);
    r = add_safe(&safe, bytes, n);
    /* One that is longer than any screen is cut. */
    if (r < 0 && r != -EMSGSIZE)
        return r;
    text = safe.len ? buf_take(&safe) : strdup("");
    if (!text)
        return -ENOMEM;
    free(line->text);
    *line = (struct monit_line){ text, err };
    m->line_count++;
    return 0;
}

const struct monit_line *monit_line_back(const struct monit *m, size_t i)
{
    if (i >= m->line_count || i >= MONIT_LINES)
        return NULL;
    return &m->lines[(m->line_count - 1 - i) % MONIT_LINES];
}

/* --- words and pictures */

void monit_say(struct monit *m, bool failed, const char *format, ...)
{
    OWN_BUF struct buf safe = { 0 };
    char text[MONIT_MESSAGE_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_init(&safe, TEXT_MAX);
    m->failed = failed;
    m->message[0] = '\0';
    if (display_add(&safe, text, strlen(text), DISPLAY_CELL) == 0)
        (void)snprintf(m->message, sizeof m->message, "%s", safe.len ? safe.p : "");
}

int monit_spark(const struct monit_samples *samples, size_t columns, double least, struct buf *to)
{
    static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    enum { BLOCKS = sizeof blocks / sizeof blocks[0] };
    size_t n = samples->count < columns ? samples->count : columns, step;
    const double *values = samples->values + samples->count - n;
    int r = buf_printf(to, "%*s", (int)(columns - n), "");

    for (size_t i = 0; i < n; i++)
        least = values[i] > least ? values[i] : least;
    for (size_t i = 0; i < n && r == 0; i++) {
        step = least > 0 ? (size_t)(values[i] / least * (BLOCKS - 1) + 0.5) : 0;
        r = buf_add_text(to, blocks[step < BLOCKS ? step : BLOCKS - 1]);
    }
    return r;
}
