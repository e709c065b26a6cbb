/*
 * The queue of questions and its pauses. Which answer means what is trongrid.c's, what follows from
 * it the caller's.
 */
#include "traffic.h"

#include <errno.h>
#include <stdlib.h>

#include "instant.h"

enum {
    TRIES_MOST = 3,
    /* Without a key, TronGrid closes its doors for half a minute; a run has less than that. */
    PAUSE_FIRST_MS = 500,
    PAUSE_MOST_MS = 10000,
    /* So many useless answers in a row mean that nobody is there; each may cost its time limit. */
    USELESS_MOST = 16,
};

int traffic_add(struct traffic *traffic, int kind, int subject)
{
    struct question *grown;

    if (traffic->next == traffic->count)
        traffic->next = traffic->count = 0;
    if (traffic->count == traffic->capacity) {
        traffic->capacity = traffic->capacity ? 2 * traffic->capacity : 64;
        grown = reallocarray(traffic->waiting, (size_t)traffic->capacity, sizeof *grown);
        if (!grown)
            return -ENOMEM;
        traffic->waiting = grown;
    }
    traffic->waiting[traffic->count++] = (struct question){ .kind = kind, .subject = subject };
    return 0;
}

static int slot_free(const struct traffic *traffic)
{
    int slot = 0;

    while (slot < HTTP_IN_FLIGHT_MAX && traffic->in_use[slot])
        slot++;
    return slot;
}

/* Until the pool is full or nothing waits. */
static int ask_some(struct traffic *traffic)
{
    int r = 0, slot;

    while (r == 0 && traffic->next < traffic->count) {
        slot = slot_free(traffic);
        if (slot == HTTP_IN_FLIGHT_MAX)
            return 0;
        traffic->in_flight[slot] = traffic->waiting[traffic->next];
        r = traffic->ask(traffic->context, &traffic->in_flight[slot], &traffic->in_flight[slot]);
        if (r == -EBUSY)
            return 0;
        if (r == 0) {
            traffic->in_use[slot] = true;
            traffic->next++;
        }
    }
    return r < 0 ? run_failed(traffic->run, r, http_error(traffic->run->http)) : 0;
}

/* The same again, when everybody has paused. */
static int ask_again(struct traffic *traffic, const struct question *question, int64_t wait_ms)
{
    int64_t pause = wait_ms > 0 ? wait_ms : (int64_t)PAUSE_FIRST_MS << question->tries;
    int64_t until;
    int r;

    if (pause > PAUSE_MOST_MS)
        pause = PAUSE_MOST_MS;
    until = (int64_t)monotonic_now_ms() + pause;
    if (until > traffic->resume_ms)
        traffic->resume_ms = until;
    r = traffic_add(traffic, question->kind, question->subject);
    if (r == 0)
        traffic->waiting[traffic->count - 1].tries = question->tries + 1;
    return r;
}

static int judge(struct traffic *traffic, const struct question *question,
                 const struct trongrid_answer *answer)
{
    if (answer->verdict == TRONGRID_LIMITED && question->tries + 1 < TRIES_MOST)
        return ask_again(traffic, question, answer->wait_ms);
    if (answer->verdict == TRONGRID_ANSWER) {
        traffic->answered = true;
        traffic->useless = 0;
    } else {
        traffic->useless++;
    }
    if (answer->verdict == TRONGRID_DENIED)
        traffic->denied = answer->why;
    traffic->closed = traffic->closed || answer->verdict == TRONGRID_DENIED ||
                      traffic->useless >= USELESS_MOST;
    return traffic->take(traffic->context, question, answer);
}

static int take_one(struct traffic *traffic)
{
    OWN_TRONGRID_ANSWER struct trongrid_answer answer = { 0 };
    OWN_REPLY struct http_reply reply = { 0 };
    struct question question;
    const struct question *slot;
    int r;

    r = http_collect(traffic->run->http, &reply);
    if (r < 0)
        return run_failed(traffic->run, r, http_error(traffic->run->http));
    slot = reply.tag;
    question = *slot;
    traffic->in_use[slot - traffic->in_flight] = false;
    r = trongrid_answer_read(&reply, &answer);
    if (r == 0)
        r = judge(traffic, &question, &answer);
    run_progress(traffic->run);
    return r == -ENOMEM ? run_failed(traffic->run, r, "out of memory") : r;
}

static bool is_over(const struct traffic *traffic)
{
    return traffic->closed || run_stopping(traffic->run) ||
           (int64_t)monotonic_now_ms() >= traffic->give_up_ms;
}

static void rest(const struct traffic *traffic)
{
    int64_t until = traffic->resume_ms < traffic->give_up_ms ? traffic->resume_ms
                                                             : traffic->give_up_ms;

    (void)worker_pause(until - (int64_t)monotonic_now_ms());
}

int traffic_run(struct traffic *traffic)
{
    int r = 0;

    while (r == 0) {
        if (is_over(traffic))
            traffic->next = traffic->count = 0;
        else if ((int64_t)monotonic_now_ms() >= traffic->resume_ms)
            r = ask_some(traffic);
        if (r == 0 && http_in_flight(traffic->run->http) > 0)
            r = take_one(traffic);
        else if (r == 0 && traffic->next < traffic->count)
            rest(traffic);
        else
            break;
    }
    return r;
}

void traffic_done(struct traffic *traffic)
{
    free(traffic->waiting);
}
