/*
 * delete-message, delete-messages-bulk, clear-all-messages.
 *
 * deleteMessages takes a hundred ids, passes over what is gone, and refuses the whole call for one
 * that may not be deleted (older than 48 hours): then its hundred are deleted one by one. What is
 * deleted is recorded with whatever becomes of the job, and deleting twice does no harm, so a job
 * that is interrupted begins anew.
 *
 * A group that becomes a supergroup leaves its messages behind, and their numbers soon mean others
 * there: no deletion follows it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "bot_tasks_sql.h"
#include "buf.h"
#include "json.h"
#include "own.h"
#include "task_kinds.h"
#include "tasks.h"

/* CHUNK: the Bot API's limit. */
enum { CHUNK = 100, ERRORS_MOST = 20, LIST_BYTES_MAX = CHUNK * 24 };

/* clear-all-messages reads so many at a time, until there are none: it needs as much memory for a
 * group of a year as for one of a day. */
enum { PAGE = 1000 };
#define PAGE_TEXT "1000"

/* Which of a group's messages; "": not given. from moves on, page by page. */
struct filters {
    char group[TASK_ID_TEXT], from[TASK_ID_TEXT], to[TASK_ID_TEXT], days[TASK_ID_TEXT];
};

struct deletion {
    struct delivery delivery; /* first: job->data */
    cJSON *body;              /* of the call under way */
    struct ids ids;
    size_t next;  /* ids.list[next] is the first that is not dealt with */
    size_t until; /* one by one up to here */
    bool alone;   /* delete-message: no list */
    bool more;    /* filters may find further ones */
    struct filters filters;
    size_t deleted, failed;
    cJSON *errors;
    uv_timer_t *pause;
};

static void timer_closed(uv_handle_t *timer)
{
    free(timer);
}

static void release(struct delivery *delivery)
{
    struct deletion *deletion = (struct deletion *)delivery;

    if (deletion->pause)
        uv_close((uv_handle_t *)deletion->pause, timer_closed);
    cJSON_Delete(deletion->body);
    cJSON_Delete(deletion->errors);
    free(deletion->ids.list);
    free(deletion);
}

/* --- what came of it --- */

/* The ids of a call as PostgreSQL writes an array. Returns NULL when memory ran out. */
static char *array_of(const int64_t *ids, size_t n)
{
    OWN_BUF struct buf text = { 0 };
    int r;

    buf_init(&text, LIST_BYTES_MAX);
    r = buf_add_text(&text, "{");
    for (size_t i = 0; i < n && r == 0; i++)
        r = buf_printf(&text, i ? ",%" PRId64 : "%" PRId64, ids[i]);
    if (r == 0)
        r = buf_add_text(&text, "}");
    return r < 0 ? NULL : buf_take(&text);
}

static void record(struct job *job, size_t n, const struct telegram_answer *answer)
{
    struct deletion *deletion = job->data;
    OWN(free) char *list = array_of(deletion->ids.list + deletion->next, n);
    char chat[TASK_ID_TEXT], id[TASK_ID_TEXT];

    (void)task_id_text(deletion->delivery.chat_id, chat);
    if (!list)
        return;
    if (answer->verdict == TELEGRAM_SKIP)
        job_also(job, &sql[SQL_UNDELETABLE], chat, list, answer->why.text);
    else
        job_also(job, &sql[SQL_DELETED], chat, list, task_id_text(job->id, id), job->kind);
}

static void note_error(struct deletion *deletion, const char *why)
{
    cJSON *error;

    if (cJSON_GetArraySize(deletion->errors) >= ERRORS_MOST)
        return;
    error = cJSON_CreateObject();
    (void)(json_put_int(error, "messageId", deletion->ids.list[deletion->next]) &&
           json_put_text(error, "error", why));
    if (!cJSON_AddItemToArray(deletion->errors, error))
        cJSON_Delete(error);
}

static void finish(struct job *job)
{
    struct deletion *deletion = job->data;
    cJSON *result = cJSON_CreateObject();

    (void)(json_put_bool(result, "success", deletion->failed == 0 || deletion->deleted > 0) &&
           json_put_int(result, "deleted", (int64_t)deletion->deleted) &&
           json_put_int(result, "failed", (int64_t)deletion->failed) &&
           json_put(result, "errors", TAKE(deletion->errors)));
    delivery_done(job, result);
}

/* --- one call after the other --- */

static void call(struct job *job);
static void read_page(struct job *job);

static void paused(uv_timer_t *timer)
{
    struct deletion *deletion = timer->data;

    job_rate_take(deletion->delivery.job, 1, call);
}

static void go_on(struct job *job)
{
    struct deletion *deletion = job->data;

    if (deletion->next == deletion->ids.n && !deletion->more) {
        finish(job);
        return;
    }
    if (job->cancelled) {
        delivery_cancel(job, "cancelled before its end");
        return;
    }
    if (deletion->next == deletion->ids.n) {
        read_page(job);
        return;
    }
    if (!deletion->pause) {
        deletion->pause = calloc(1, sizeof *deletion->pause);
        if (!deletion->pause) {
            delivery_retry(job, "out of memory");
            return;
        }
        (void)uv_timer_init(tasks_loop(), deletion->pause);
        deletion->pause->data = deletion;
    }
    (void)uv_timer_start(deletion->pause, paused, (uint64_t)setting_int("TELEGRAM_DELETE_DELAY_MS"),
                         0);
}

static bool is_single(const struct deletion *deletion)
{
    return deletion->next < deletion->until;
}

static size_t chunk_of(const struct deletion *deletion)
{
    size_t left = deletion->ids.n - deletion->next;

    return is_single(deletion) ? 1 : left < CHUNK ? left : CHUNK;
}

/* A refusal that is about these messages, not about the chat or the bot. */
static void refused(struct job *job, struct telegram_answer *answer)
{
    struct deletion *deletion = job->data;

    if (!is_single(deletion)) {
        deletion->until = deletion->next + chunk_of(deletion);
        go_on(job);
        return;
    }
    record(job, 1, answer);
    if (deletion->alone) {
        delivery_dead(job, answer->why.text);
        return;
    }
    note_error(deletion, answer->why.text);
    deletion->failed++;
    deletion->next++;
    go_on(job);
}

static void answered(struct job *job, struct telegram_answer *answer)
{
    struct deletion *deletion = job->data;
    size_t n = chunk_of(deletion);

    if (answer->verdict == TELEGRAM_SKIP) {
        refused(job, answer);
    } else if (answer->verdict == TELEGRAM_DONE || answer->verdict == TELEGRAM_ALREADY) {
        record(job, n, answer);
        deletion->deleted += n;
        deletion->next += n;
        go_on(job);
    } else {
        task_end(job, answer);
    }
}

static bool put_ids(struct deletion *deletion)
{
    const int64_t *ids = deletion->ids.list + deletion->next;
    size_t n = chunk_of(deletion);
    cJSON *list;

    cJSON_Delete(deletion->body);
    deletion->body = cJSON_CreateObject();
    if (is_single(deletion))
        return json_put_int(deletion->body, "message_id", ids[0]);
    list = cJSON_CreateArray();
    for (size_t i = 0; i < n; i++) {
        cJSON *id = cJSON_CreateNumber((double)ids[i]);

        if (!cJSON_AddItemToArray(list, id)) {
            cJSON_Delete(id);
            cJSON_Delete(list);
            return false;
        }
    }
    return json_put(deletion->body, "message_ids", list);
}

static void call(struct job *job)
{
    struct deletion *deletion = job->data;

    if (put_ids(deletion))
        delivery_call(job, is_single(deletion) ? "deleteMessage" : "deleteMessages", deletion->body,
                      true, answered);
    else
        delivery_retry(job, "out of memory");
}

/* --- beginnings --- */

static void ready(struct job *job)
{
    struct deletion *deletion = job->data;

    if (deletion->ids.n == 0)
        finish(job);
    else if (!*deletion->filters.group && deletion->delivery.chat_id != task_id(job, "chatId"))
        delivery_dead(job, "the chat has a new id since; its messages stayed where they were");
    else
        call(job);
}

/* NULL when the job has ended already. */
static struct deletion *begin(struct job *job)
{
    struct deletion *deletion = calloc(1, sizeof *deletion);

    if (deletion)
        deletion->errors = cJSON_CreateArray();
    if (!deletion || !deletion->errors) {
        free(deletion);
        job_retry(job, "out of memory");
        return NULL;
    }
    delivery_begin(&deletion->delivery, job, release);
    deletion->delivery.stays = true;
    return deletion;
}

void task_delete(struct job *job)
{
    struct deletion *deletion = begin(job);

    if (!deletion)
        return;
    deletion->alone = true;
    deletion->ids.n = deletion->until = 1;
    deletion->ids.list = calloc(1, sizeof *deletion->ids.list);
    if (!deletion->ids.list) {
        delivery_retry(job, "out of memory");
        return;
    }
    deletion->ids.list[0] = task_id(job, "messageId");
    delivery_check(job, task_id(job, "chatId"), ready);
}

void task_delete_bulk(struct job *job)
{
    struct deletion *deletion = begin(job);
    struct err why;

    if (!deletion)
        return;
    if (payload_ids(job->payload, "messageIds", TASK_IDS_MOST, &deletion->ids, &why) < 0)
        delivery_retry(job, why.text);
    else
        delivery_check(job, task_id(job, "chatId"), ready);
}

/* --- clear-all-messages --- */

static int take_page(struct deletion *deletion, const struct rows *rows)
{
    int64_t *list = calloc((size_t)rows->count + 1, sizeof *list);

    if (!list)
        return -ENOMEM;
    free(deletion->ids.list);
    deletion->ids = (struct ids){ .list = list, .n = (size_t)rows->count };
    deletion->next = deletion->until = 0;
    for (int row = 0; row < rows->count; row++)
        list[row] = rows_int(rows, row, 0);
    deletion->more = rows->count == PAGE;
    if (rows->count)
        (void)task_id_text(list[rows->count - 1] + 1, deletion->filters.from);
    return 0;
}

static void tracked(struct job *job, const struct rows *rows, const char *error)
{
    struct deletion *deletion = job->data;

    if (error)
        delivery_retry(job, error);
    else if (take_page(deletion, rows) < 0)
        delivery_retry(job, "out of memory");
    else if (deletion->deleted + deletion->failed)
        go_on(job);
    else
        delivery_check(job, deletion->delivery.chat_id, ready);
}

static const char *given(const char *text)
{
    return *text ? text : NULL;
}

static void read_page(struct job *job)
{
    const struct filters *filters = &((struct deletion *)job->data)->filters;

    job_query(job, tracked, &sql[SQL_TRACKED], filters->group, given(filters->from),
              given(filters->to), given(filters->days), PAGE_TEXT);
}

/* A filter as text, which stays "" when it is not given. */
static void read_filter(const struct job *job, const char *name, char text[static TASK_ID_TEXT])
{
    if (payload_get(job->payload, name))
        (void)task_id_text(task_id(job, name), text);
}

void task_clear(struct job *job)
{
    struct deletion *deletion = begin(job);
    struct filters *filters;

    if (!deletion)
        return;
    filters = &deletion->filters;
    read_filter(job, "groupDbId", filters->group);
    read_filter(job, "fromMessageId", filters->from);
    read_filter(job, "toMessageId", filters->to);
    read_filter(job, "olderThanDays", filters->days);
    deletion->delivery.chat_id = task_id(job, "chatId");
    read_page(job);
}
