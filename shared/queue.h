#ifndef OPS_QUEUE_H
#define OPS_QUEUE_H
/*
 * A worker that serves a queue says what one job does; everything else is here.
 *
 *     static void start(struct job *job) { ... later: job_done(job, result); }
 *     static const struct queue queue = { .name = "messages", .start = start, ... };
 *     static int run(struct run *run) { return queue_serve(run, &queue); }
 *
 * start begins one job and returns at once; it is called on the loop that open was given, with as
 * many jobs at a time as in_flight says. Sooner or later, also from inside of start, the worker
 * calls exactly one of the outcomes below, and the job is gone for it. Jobs of one lane
 * (ops.job.group_key) come one after the other, in the order of their ids; those of different lanes
 * in any order.
 *
 * When start is called, the job's attempt and started_at are committed, its lane's limits hold, and
 * one request of its bot's rate is taken (further ones, or the first where starts are free:
 * job_rate_take). Outcomes are written in
 * batches, in the transaction that fetches the next jobs. A job whose not_after (payload, RFC 3339)
 * has passed is cancelled and never started.
 *
 * What is promised: a job ends done, dead or cancelled. It is started twice only where nobody can
 * tell how it ended (the process died, the connection broke for good, job_unknown), and never then
 * when its payload has "delivery":"at_most_once": such a one is dead. Which of the two happened is
 * in ops.job.errors. Times are milliseconds.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "db.h"
#include "worker.h"

struct job {
    int64_t id;
    const char *kind;
    const char *bot; /* "" when none is given */
    const char *group_key;
    const cJSON *payload; /* an object */
    int attempt;          /* from 1: this one counts */
    int max_attempts;
    bool cancelled; /* somebody asked to: a long one may stop early, by job_cancel */
    void *data;     /* the worker's own */
};

struct queue {
    const char *name;
    void (*start)(struct job *job);
    /* Called once, before the first job and after the last; may be NULL. A negative errno of open
     * ends the worker. run->db may be used in open only: it is closed after that, and statements go
     * by job_also and job_query. close gives up what the worker still has under way; jobs that it
     * holds are valid until it returns. */
    int (*open)(struct run *run, uv_loop_t *loop);
    void (*close)(void);
    /* Called once, when the worker is told to stop, so that what only waits may end its jobs; may
     * be NULL. */
    void (*stop)(void);
    /* Statements of what the worker uses in shared/, for job_also and job_query besides its own. */
    const struct statement *sql;
    size_t sql_count;
    const char *in_flight_setting; /* how many jobs at a time: a setting, or */
    int in_flight;                 /* a number */
    const char *bot_rate_setting;  /* starts a second of each bot, fleet-wide; NULL: no limit */
    bool starts_are_free;          /* that rate is for job_rate_take alone */
    const char *lane_rate_setting; /* starts a second of each lane; NULL: no limit */
    /* At most so many starts a minute of a lane whose key ends in a negative number (":-100123"),
     * as a Telegram group's does; 0: no limit. */
    int group_per_minute;
};

/* Serves the queue until the worker is told to stop; then what is in flight may end, and what has
 * not ended QUEUE_STOP_MS later goes back. Returns what a worker's run returns. */
int queue_serve(struct run *run, const struct queue *queue);

/* --- outcomes. reason is one sentence for a person; it is copied. --- */

/* result may be NULL, is taken, and is kept in ops.job.result. */
void job_done(struct job *job, cJSON *result);

/* Did not work and may later: again after a growing pause, dead after max_attempts. Its lane waits.
 */
void job_retry(struct job *job, const char *reason);

/* As job_retry, when nobody can tell whether it worked: dead when it must not be done twice
 * ("delivery":"at_most_once"). */
void job_unknown(struct job *job, const char *reason);

/* Told to wait (429): again in wait_ms, the whole lane waits, no attempt is used. */
void job_wait(struct job *job, int64_t wait_ms, const char *reason);

/* Held back by a rule of ours (cooldown, daily limit): this job waits and uses no attempt, and the
 * lane goes on with the next one. */
void job_hold(struct job *job, int64_t wait_ms, const char *reason);

/* Back at once, as if it had never been started: the lane's next job is this one again. */
void job_give_back(struct job *job);

/* Refused for good: dead, with reason as last_error. */
void job_dead(struct job *job, const char *reason);

/* What it asks for cannot be read: again later where memory ran out (-ENOMEM), else dead. */
void job_refuse(struct job *job, int code, const char *reason);

/* No longer wanted. */
void job_cancel(struct job *job, const char *reason);

/* --- besides --- */

/* A statement of the worker's own tables, run in the transaction that records the outcome: call it
 * before the outcome. Parameters are copied (NULL is SQL NULL). When it fails, so does the outcome:
 * the job is dead with the server's words, and what it did outside has happened.
 *     job_also(job, &sql[SQL_MARK_BLOCKED], bot, chat_id); */
#define job_also(job, statement, ...)                                         \
    job_also_params((job), (statement), (const char *const[]){ __VA_ARGS__ }, \
                    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
void job_also_params(struct job *job, const struct statement *statement, const char *const *params,
                     size_t n);

/* Asks the database without stopping the loop. then is called once, by the loop and never from
 * inside of here, unless the job's outcome comes first: rows belong to the callee only until it
 * returns; error is NULL or the server's words (rows is NULL then). After a lost connection it is
 * asked again, so it must be a statement that may be run twice. Without memory the service ends. */
typedef void job_answer(struct job *job, const struct rows *rows, const char *error);
#define job_query(job, then, statement, ...)                                           \
    job_query_params((job), (then), (statement), (const char *const[]){ __VA_ARGS__ }, \
                     sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
void job_query_params(struct job *job, job_answer *then, const struct statement *statement,
                      const char *const *params, size_t n);

/* Takes n more requests of the job's bot's rate (n from 1 to what it may send a second) and calls
 * then when the first may leave; the others follow 1/rate apart. Where the database cannot be
 * asked, it waits until it can. */
void job_rate_take(struct job *job, int n, void (*then)(struct job *job));

/* Nothing of the job's bot starts for so long, on any host: a bad token. Jobs of other bots go on;
 * this one still needs its outcome (job_wait). */
void job_pause_bot(struct job *job, int64_t wait_ms, const char *reason);

#endif
