#ifndef CASHIER_TRAFFIC_H
#define CASHIER_TRAFFIC_H
/*
 * Many questions to TronGrid, a few at a time: so many as the pool of requests allows are under
 * way, and a server that wants to be left alone is left alone.
 *
 * A question that met a limit is asked again, a few times, after a pause for all. Any other answer
 * is handed out whatever it is. What is given up (told to stop, out of time, nothing but useless
 * answers, key denied) is just not answered: whoever asks counts on nothing that did not come.
 */
#include "limits.h"
#include "trongrid.h"
#include "worker.h"

struct question {
    int kind, subject; /* the caller's */
    int tries;
};

/* Starts a question; returns what the functions of trongrid.h do. */
typedef int traffic_ask(void *context, const struct question *question, void *tag);
/* Gets its answer, and may add questions. Returns 0, or what ends it all. */
typedef int traffic_take(void *context, const struct question *question,
                         const struct trongrid_answer *answer);

struct traffic {
    struct run *run;
    void *context;
    traffic_ask *ask;
    traffic_take *take;
    struct question *waiting; /* a queue: from next to count */
    int next, count, capacity;
    struct question in_flight[HTTP_IN_FLIGHT_MAX];
    bool in_use[HTTP_IN_FLIGHT_MAX];
    int64_t resume_ms, give_up_ms; /* by monotonic_now_ms */
    int useless;                   /* useless answers in a row */
    bool answered;                 /* there was a usable one */
    bool closed;                   /* no question is asked any more */
    struct err denied;             /* why, when the key is not accepted; else empty */
};

/* Returns 0 or -ENOMEM. */
int traffic_add(struct traffic *traffic, int kind, int subject);

/* Until all is answered or given up. Returns 0 or what ended it, logged. */
int traffic_run(struct traffic *traffic);

void traffic_done(struct traffic *traffic);

#define OWN_TRAFFIC __attribute__((cleanup(traffic_done)))

#endif
