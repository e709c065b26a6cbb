#ifndef OPS_DELIVERY_H
#define OPS_DELIVERY_H
/*
 * What workers that call the Bot API for jobs share: whom a chat id means now, the call, and what
 * its answer means for the job.
 *
 *     start(job)      d = calloc(...); delivery_begin(d, job, release);
 *                     delivery_check(job, chat_id, ready)
 *     ready(job)      delivery_call(job, "sendMessage", body, answered)
 *     answered(job, answer)  done: delivery_done(job, result), else delivery_end(job, answer)
 *
 * job->data is the worker's own struct, whose first member is a struct delivery; it lives until the
 * job's outcome. Every outcome of such a job goes through this header. Everything runs on the
 * queue's loop.
 *
 * Rules: a chat that moved is followed, and the move is kept (ops.chat_alias); one that cannot be
 * reached is kept in ops.recipient, and its job is dead; told to wait, the chat waits, and the bot
 * when several chats are told so; a dead token pauses the bot, with one alert, and no job is lost.
 */
#include <sys/queue.h>
#include <uv.h>

#include "bots.h"
#include "queue.h"
#include "telegram.h"

/* What a worker that delivers needs, for WORKER_NEEDS. */
#define DELIVERY_NEEDS                                                                         \
    "DATABASE_URL", BOTS_NEEDS, "TELEGRAM_ADMIN_CHAT_ID", "SMTP_URL", "TELEGRAM_RATE_PER_BOT", \
        "TELEGRAM_RATE_PER_CHAT"

/* queue_serve for a queue whose jobs end at Telegram: with its rates and our statements. Where
 * starts are free, only calls are paced, by job_rate_take before each. */
int delivery_serve(struct run *run, struct queue queue);

struct delivery;
typedef void delivery_ready(struct job *job);
typedef void delivery_answered(struct job *job, struct telegram_answer *answer);

struct delivery {
    LIST_ENTRY(delivery) link;
    struct job *job;
    void (*release)(struct delivery *delivery);
    int64_t chat_id; /* where the chat is now */
    delivery_ready *ready;
    delivery_answered *answered;
    const char *method;
    const cJSON *body; /* of the worker's, until the answer */
    bool repeatable;
    bool moved;     /* followed once */
    bool even_gone; /* the worker's: ask also about a chat that could not be reached */
    bool stays;     /* the worker's: what is asked for is in the chat as it was; a move is kept, not
                       followed, and the verdict TELEGRAM_MIGRATED */
};

/* Loads the tokens and opens the client. Returns 0 or a negative errno, logged. */
int delivery_open(struct run *run, uv_loop_t *loop, int in_flight);
/* Gives up what is in flight and releases it. */
void delivery_close(void);

/* release frees the worker's struct; called after the outcome, or at the end. */
void delivery_begin(struct delivery *delivery, struct job *job,
                    void (*release)(struct delivery *delivery));

/* Finds out where the chat is; ready is called, unless it cannot be reached or the bot is unknown:
 * then the job is dead. */
void delivery_check(struct job *job, int64_t chat_id, delivery_ready *ready);

/* The job's bot as Telegram knows it: the number that its token begins with; 0 when it has none. */
int64_t delivery_bot_id(const struct job *job);

/* Calls a method with body, an object that gets the chat's id (none is added when chat_id is 0).
 * answered is called later. A repeatable call may be made twice without harm. */
void delivery_call(struct job *job, const char *method, cJSON *body, bool repeatable,
                   delivery_answered *answered);

/* The outcome for every verdict but TELEGRAM_DONE. To whoever asked for something TELEGRAM_ALREADY
 * is a refusal. */
void delivery_end(struct job *job, const struct telegram_answer *answer);

/* The job's outcomes, as in queue.h. */
void delivery_done(struct job *job, cJSON *result);
void delivery_dead(struct job *job, const char *reason);
void delivery_retry(struct job *job, const char *reason);
void delivery_hold(struct job *job, int64_t wait_ms, const char *reason);
void delivery_cancel(struct job *job, const char *reason);
void delivery_refuse(struct job *job, int code, const char *reason);

#endif
