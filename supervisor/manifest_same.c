/* What differs between two readings of an app, told by the table of fields: what `apply` restarts
 * and what `diff` shows cannot know other fields than the parser does. */
#include "manifest_same.h"

#include <string.h>

bool same_bool(const void *a, const void *b)
{
    return *(const bool *)a == *(const bool *)b;
}

bool same_int(const void *a, const void *b)
{
    return *(const int *)a == *(const int *)b;
}

bool same_int64(const void *a, const void *b)
{
    return *(const int64_t *)a == *(const int64_t *)b;
}

static bool equal(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

bool same_text(const void *a, const void *b)
{
    return equal(*(const char *const *)a, *(const char *const *)b);
}

bool same_texts(const void *a, const void *b)
{
    texts left = *(const texts *)a, right = *(const texts *)b;

    for (; *left && *right; left++, right++)
        if (strcmp(*left, *right) != 0)
            return false;
    return !*left && !*right;
}

bool same_limits(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(int64_t[LIMIT_COUNT])) == 0;
}

bool same_backoff(const void *a, const void *b)
{
    const struct backoff *left = a, *right = b;

    return left->initial_ms == right->initial_ms && left->max_ms == right->max_ms &&
           left->factor == right->factor && left->reset_after_ms == right->reset_after_ms &&
           left->jitter_percent == right->jitter_percent;
}

bool same_exit_codes(const void *a, const void *b)
{
    const struct restart_policy *left = a, *right = b;
    size_t n = left->stop_exit_codes_count;

    if (n != right->stop_exit_codes_count)
        return false;
    for (size_t i = 0; i < n; i++)
        if (left->stop_exit_codes[i] != right->stop_exit_codes[i])
            return false;
    return true;
}

bool same_ready(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return left->ready == right->ready && left->ready_number == right->ready_number &&
           equal(left->ready_text, right->ready_text) &&
           same_texts(&left->ready_exec, &right->ready_exec);
}

bool same_dependencies(const void *a, const void *b)
{
    const struct app *left = a, *right = b;
    const struct dependency *l = left->depends_on, *r = right->depends_on;

    if (left->depends_count != right->depends_count)
        return false;
    for (size_t i = 0; i < left->depends_count; i++)
        if (!equal(l[i].name, r[i].name) || l[i].condition != r[i].condition ||
            l[i].restart != r[i].restart)
            return false;
    return true;
}

bool same_schedule(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return equal(left->schedule_text, right->schedule_text);
}

bool same_cron_restart(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return equal(left->cron_restart_text, right->cron_restart_text);
}

bool same_listen(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    if (left->listen_count != right->listen_count)
        return false;
    for (size_t i = 0; i < left->listen_count; i++)
        if (!equal(left->listen[i].text, right->listen[i].text))
            return false;
    return true;
}

bool same_filter(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return left->filter_all == right->filter_all &&
           same_texts(&left->filter_env, &right->filter_env);
}

bool same_watch(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return left->watch == right->watch && same_texts(&left->watch_paths, &right->watch_paths);
}

bool same_log_file(const void *a, const void *b)
{
    const struct app *left = a, *right = b;

    return left->log_both == right->log_both && equal(left->log_file, right->log_file);
}

/* What lies behind struct app in a draft was settled into other fields, or means nothing. */
static bool differs(const struct field *field, const struct app *a, const struct app *b)
{
    return field->offset < sizeof *a && field->same &&
           !field->same((const char *)a + field->offset, (const char *)b + field->offset);
}

/* A service that becomes a schedule, or the other way round, is another kind of thing. */
static bool needs_restart(const struct field *field, const struct app *a, const struct app *b)
{
    return !field->live || (field->same == same_schedule && a->scheduled != b->scheduled);
}

const char *app_difference(const struct app *a, const struct app *b, size_t *at,
                           bool *ret_needs_restart)
{
    while (*at < app_fields.count) {
        const struct field *field = &app_fields.rows[(*at)++];

        if (!differs(field, a, b))
            continue;
        *ret_needs_restart = needs_restart(field, a, b);
        return field->name;
    }
    return NULL;
}

bool app_same_process(const struct app *a, const struct app *b)
{
    bool restart = false;
    size_t at = 0;

    while (!restart && app_difference(a, b, &at, &restart))
        continue;
    return !restart;
}
