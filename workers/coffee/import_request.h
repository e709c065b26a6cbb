#ifndef COFFEE_IMPORT_REQUEST_H
#define COFFEE_IMPORT_REQUEST_H
/*
 * A request to Vendista on behalf of an import. One is made after the other, whichever imports they
 * are for, and those that wait take turns: a long list delays the others by one page each time, and
 * a pause after an error delays nobody else, unless Vendista asked for it (Retry-After). No two
 * requests of a host are closer than VENDISTA_DELAY_MS.
 */
#include <stdbool.h>
#include <sys/queue.h>
#include <uv.h>

#include "import_order.h"
#include "queue.h"

struct import_request {
    /* What is asked for; the texts are the caller's and stay until the answer is there. */
    struct job *job;
    const struct import_what *what; /* NULL: a token, for login and password */
    const char *login, *password;
    struct vendista_query query;
    int64_t pause_ms; /* that it waits at least */

    /* Called once, by the loop. */
    void (*then)(struct import_request *request);
    int failed; /* negative errno: no request could be made; answer.why says more */
    struct vendista_answer answer; /* the caller's to free; empty when the worker is to stop */

    /* import_request.c's own. */
    TAILQ_ENTRY(import_request) next;
    uv_work_t work;
    uint64_t due_ms;
    int64_t slot_ms;
    enum { REQUEST_OVER, REQUEST_WAITS, REQUEST_HAS_ITS_TURN, REQUEST_IN_THREAD } state;
};

/* Once, before the others. */
void import_requests_open(struct run *run, uv_loop_t *loop);

/* then is called by all that wait, and no request is made for them: the worker is to stop. */
void import_requests_call_off(void);

void import_request_make(struct import_request *request);

/* Before it is freed: then is not called any more. Returns false where that cannot be had, for a
 * thread is at work on it. */
bool import_request_forget(struct import_request *request);

#endif
