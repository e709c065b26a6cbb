/*
 * Whose request to Vendista is next, when it may leave, and the thread that makes it.
 */
#include "import_request.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "coffee.h"
#include "coffee_sql.h"
#include "limits.h"

static TAILQ_HEAD(request_list, import_request) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static bool under_way;
static uint64_t held_until_ms; /* Vendista said so, to this address */
static uv_timer_t timer;       /* closed with the loop */
static struct http *http;

/* --- whose turn it is --- */

static uint64_t due_ms(const struct import_request *request)
{
    return request->due_ms > held_until_ms ? request->due_ms : held_until_ms;
}

/* In the order in which they came, but nobody waits for another's pause. */
static struct import_request *first_due(void)
{
    struct import_request *request;

    TAILQ_FOREACH (request, &waiting, next)
        if (due_ms(request) <= uv_now(timer.loop))
            break;
    return request;
}

static void begin(struct import_request *request);

static void give_turn(uv_timer_t *unused)
{
    struct import_request *request = first_due();

    (void)unused;
    if (request) {
        under_way = true;
        begin(request);
    }
}

/* Not at once: whoever asks, or has just been answered, is not done with what he does. */
static void look_again(void)
{
    uint64_t now_ms = uv_now(timer.loop), soonest_ms = UINT64_MAX;
    const struct import_request *request;

    if (under_way)
        return;
    TAILQ_FOREACH (request, &waiting, next)
        soonest_ms = due_ms(request) < soonest_ms ? due_ms(request) : soonest_ms;
    if (soonest_ms < UINT64_MAX)
        (void)uv_timer_start(&timer, give_turn, soonest_ms > now_ms ? soonest_ms - now_ms : 0, 0);
}

static void end(struct import_request *request)
{
    request->state = REQUEST_OVER;
    under_way = false;
    look_again();
    request->then(request);
}

static void fail(struct import_request *request, const char *why)
{
    request->failed = err_set(&request->answer.why, -EIO, "%s", why);
    end(request);
}

/* --- the request --- */

/* In a thread of libuv's pool, which touches nothing else. */
static void call(uv_work_t *work)
{
    struct import_request *request = work->data;

    (void)worker_pause(request->slot_ms);
    if (worker_stopping())
        return;
    request->failed = request->what ? request->what->ask(http, &request->query, &request->answer)
                                    : vendista_sign_in(http, request->login, request->password,
                                                       &request->answer);
}

static void called(uv_work_t *work, int status)
{
    struct import_request *request = work->data;
    int64_t pause_ms = request->answer.retry_after_ms;

    (void)status;
    if (pause_ms > 0 && pause_ms <= HTTP_RETRY_AFTER_MOST_MS)
        held_until_ms = uv_now(timer.loop) + (uint64_t)pause_ms;
    end(request);
}

static void call_in(struct import_request *request, int64_t slot_ms)
{
    request->slot_ms = slot_ms;
    request->work.data = request;
    request->state = REQUEST_IN_THREAD;
    if (uv_queue_work(timer.loop, &request->work, call, called) < 0)
        fail(request, "no thread for the request");
}

static void got_slot(struct job *job, const struct rows *rows, const char *error)
{
    struct import_request *request = job->data;

    if (rows)
        call_in(request, rows_int(rows, 0, 0));
    else
        fail(request, error);
}

static void begin(struct import_request *request)
{
    TAILQ_REMOVE(&waiting, request, next);
    request->state = REQUEST_HAS_ITS_TURN;
    if (setting_int("VENDISTA_DELAY_MS") == 0)
        call_in(request, 0);
    else
        job_query(request->job, got_slot, &coffee_sql[COFFEE_SQL_SLOT], coffee_host(),
                  coffee_delay_text(), "0");
}

/* --- from outside --- */

void import_requests_open(struct run *run, uv_loop_t *loop)
{
    http = run->http;
    (void)uv_timer_init(loop, &timer);
}

void import_request_make(struct import_request *request)
{
    request->failed = 0;
    request->due_ms = uv_now(timer.loop) + (uint64_t)request->pause_ms;
    request->state = REQUEST_WAITS;
    TAILQ_INSERT_TAIL(&waiting, request, next);
    look_again();
}

void import_requests_call_off(void)
{
    struct import_request *request;

    while ((request = TAILQ_FIRST(&waiting))) {
        TAILQ_REMOVE(&waiting, request, next);
        request->state = REQUEST_OVER;
        request->then(request);
    }
}

bool import_request_forget(struct import_request *request)
{
    if (request->state == REQUEST_WAITS)
        TAILQ_REMOVE(&waiting, request, next);
    return request->state != REQUEST_IN_THREAD;
}
