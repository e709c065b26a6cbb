#ifndef OPS_QUEUE_PARTS_H
#define OPS_QUEUE_PARTS_H
/*
 * The parts of the queue's service, for one another; workers include queue.h only.
 *
 *     queue            life: loop, connection, signals, heartbeat, the end
 *     queue_turn       one transaction: outcomes out, new jobs in
 *     queue_outcomes   what it writes
 *     queue_claims     what it asks for, and what the answer means
 *     queue_job        a job from its row to its outcome
 *     queue_ask        statements that a job asks for in between
 *
 * Invariant: a job is in exactly one list: running (the worker has it), ended (its outcome is not
 * written yet), writing (it is part of the turn under way) or abandoned (its outcome was written
 * without the worker, who may still hold a pointer).
 */
#include <sys/queue.h>

#include "db_stream.h"
#include "job_outcome.h"
#include "queue.h"

/* A statement with copies of its parameters. */
struct ask {
    STAILQ_ENTRY(ask) next;
    const struct statement *statement;
    const char **params;
    job_answer *then; /* of job_query; NULL: part of the outcome's transaction */
    struct service *service;
    struct entry *entry; /* NULL: it ended without waiting for the answer */
    bool sent;
};
STAILQ_HEAD(ask_list, ask);

struct entry {
    struct job job; /* first: the worker's pointer is ours */
    struct service *service;
    TAILQ_ENTRY(entry) next;
    cJSON *payload;
    char *texts; /* kind, bot, group_key */
    enum job_outcome outcome;
    int64_t wait_ms;
    char *reason, *result;
    struct ask_list also;
    bool abandoned, told; /* logged and counted */
    bool hopeless;        /* its outcome was refused by the server once */
    uv_timer_t *timer;    /* of ask_at */
    void (*then)(struct job *job);
    void (*rate_taken)(struct job *job);
    int rate_count;
};
TAILQ_HEAD(entry_list, entry);

/* Where a claim begins: (-priority, run_at, id). */
struct position {
    char rank[16], run_at[64], id[24];
};

/* What the database may refuse again and again. */
enum complaint { COMPLAINT_TURN, COMPLAINT_BEAT, COMPLAINT_PRUNE, COMPLAINT_RATE, COMPLAINTS };

/* The turn under way. claim and those after it say which of its statements they are, counted from
 * 1; 0: not part of it. */
struct turn {
    bool under_way;
    bool full; /* looked from the beginning */
    bool reconciling;
    uint64_t sent_us;
    size_t count, claim, lanes, admit, lock, wake;
    int free_room, lane_room; /* how many were asked for */
};

struct service {
    const struct queue *queue;
    struct run *run;
    uv_loop_t loop;
    struct db_stream *stream;
    uv_timer_t wake, beat, tell, stop_limit;
    uv_prepare_t step; /* takes a turn, once all events of the loop's round are known */
    uv_poll_t stop;
    char name[128], owner[128], host[64], pid[16];
    char bot_rate_text[16], ask_rate_text[16], lead_text[16], lane_ms_text[16], group_text[16];
    int in_flight_max, bot_rate, ask_rate; /* of starts, of job_rate_take; 0: no limit */

    struct entry_list running, ended, writing, abandoned;
    int running_count;
    struct ask_list asks; /* of job_query, in order */

    struct turn turn;
    struct position from; /* of a claim that is not full */
    char admit_from[24];
    uint64_t full_next_us;    /* when a full look is due */
    int free_seen, lane_seen; /* what the last claims found: how room is shared */
    bool lane_next;           /* whose turn it is, where there is room for one only */
    bool half_seen;           /* the last full look asked for one kind only and found nothing */
    bool look;                /* there may be something to claim */
    bool told;                /* ... and no room for it, which others know */
    int64_t vain_ms;          /* the next pause where what is due cannot be had */
    bool has_claimed;         /* ever: there may be jobs of ours */
    bool reconcile;           /* connected anew: what the server calls ours may be unknown here */
    bool careful;             /* a turn was refused: outcomes are written one by one */
    bool resting;             /* ... or could not be done at present */
    int rest_ms;              /* for how long, the next time */
    bool stopping, leaving;
    uint64_t pruned_ms;
    int64_t done; /* jobs that worked, since the process began: its heartbeat says so */
    int code;     /* what queue_serve returns */
    struct err complaints[COMPLAINTS]; /* "": it works */
};

/* --- queue --- */

/* Ends the service; code is what queue_serve returns. */
void service_fail(struct service *service, int code, const char *why);

/* Logs what the database said, once until it says something else; error is NULL when it works. */
void service_complain(struct service *service, enum complaint about, const char *error);

/* --- queue_turn --- */

/* Sends what is to be written and claims as many as there is room for, unless a turn is under way
 * or nothing is to be done. */
void turn_take(struct service *service);

/* Somebody says that there is something in a queue: whoever made it so, or a server that has no
 * room for all of it. */
void turn_hear(struct service *service, const char *payload);

/* Says so. */
void turn_tell(uv_timer_t *timer);

/* The connection is lost: what was being written is to be written again. */
void turn_forget(struct service *service);

/* Looks for jobs in ms, unless something else is a reason before. */
void turn_look_in(struct service *service, int64_t ms);

/* Adds a statement to the turn and returns which one it is, counted from 1. */
size_t turn_add(struct service *service, const struct statement *statement,
                const char *const *params, size_t n);

#define TURN_ADD(service, statement, ...)                                  \
    turn_add((service), (statement), (const char *const[]){ __VA_ARGS__ }, \
             sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))

/* --- queue_outcomes --- */

/* Moves what has ended into the turn: all of it, or one by one where the server refused something.
 */
void outcomes_add(struct service *service);

/* After a lost connection, before the others: which jobs of ours we know. */
void outcomes_reconcile(struct service *service);

/* --- queue_claims --- */

/* Asks for as many jobs as there is room for. */
void claims_add(struct service *service, int room);

/* Starts what the server gave, and decides when to look again. */
void claims_begin(struct service *service, const struct db_batch *batch);

/* --- queue_job --- */

enum job_column {
    JOB_ID,
    JOB_ATTEMPT,
    JOB_MAX_ATTEMPTS,
    JOB_KIND,
    JOB_BOT,
    JOB_GROUP,
    JOB_PAYLOAD
};

/* Makes a job of a claimed row and starts it in wait_ms, which is its bot's turn. */
void job_begin(struct service *service, const struct rows *rows, int row, int64_t wait_ms);

/* Ends the jobs of the worker that did not end by themselves. */
void job_interrupt_all(struct service *service);

void job_free(struct entry *entry);

/* Its outcome is written. */
void job_written(struct entry *entry);

/* --- queue_ask --- */

/* Calls then in wait_ms, unless the job is abandoned by then. */
void ask_at(struct entry *entry, int64_t wait_ms, void (*then)(struct job *job));
/* Sends those that are not under way. */
void ask_send(struct service *service);
/* The connection is lost: they are to be asked again. */
void ask_forget(struct service *service);
/* The job has ended: nobody waits for its answers. */
void ask_drop(struct entry *entry);
void ask_free_all(struct ask_list *list);

#endif
