/*
 * What a run tells while it runs: its counts and that it lives, by sd_notify(3); and its failures,
 * each logged once and the last one kept for ops.run.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "instant.h"
#include "limits.h"
#include "notify.h"
#include "worker_parts.h"

static struct err last_failure;

const char *stats_json(const struct run_stats *stats, char text[static STATS_TEXT_MAX])
{
    (void)snprintf(text, STATS_TEXT_MAX,
                   "{\"selected\":%" PRId64 ",\"changed\":%" PRId64 ",\"enqueued\":%" PRId64
                   ",\"failed\":%" PRId64 "}",
                   stats->selected, stats->changed, stats->enqueued, stats->failed);
    return text;
}

void stats_send(const struct run *run)
{
    const struct run_stats *stats = &run->stats;
    char json[STATS_TEXT_MAX], message[3 * STATS_TEXT_MAX];

    (void)snprintf(message, sizeof message,
                   "%sSTATUS=selected %" PRId64 ", changed %" PRId64 ", enqueued %" PRId64
                   ", failed %" PRId64 "\nX_STATS=%s",
                   getenv("WATCHDOG_USEC") ? "WATCHDOG=1\n" : "", stats->selected, stats->changed,
                   stats->enqueued, stats->failed, stats_json(stats, json));
    /* A supervisor that does not listen hears it next time. */
    (void)notify_send(message);
}

void run_progress(struct run *run)
{
    static uint64_t sent_ms;
    uint64_t now_ms = monotonic_now_ms();

    if (sent_ms && now_ms - sent_ms < WORKER_PROGRESS_MS)
        return;
    sent_ms = now_ms;
    stats_send(run);
}

int run_db_failed(struct run *run, int code, const char *what)
{
    (void)err_set(&last_failure, code, "%s: %s", what, db_error(run->db));
    log_error(what, LOG_TEXT("error", db_error(run->db)));
    return code;
}

int run_failed(struct run *run, int code, const char *why)
{
    (void)run;
    (void)err_set(&last_failure, code, "%s", why);
    log_error("run failed", LOG_TEXT("error", why));
    return code;
}

const char *failure_text(void)
{
    return last_failure.text;
}
