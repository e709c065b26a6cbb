/*
 * history: what became of the processes of some workers. Files are read by one of libuv's threads,
 * and the connection waits meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "instant.h"
#include "json.h"
#include "methods.h"

enum { RECORDS_DEFAULT = 20, RECORDS_MAX = 1000 };

struct subject {
    char *name;
    int number;
};

struct question {
    struct attachment attachment;
    struct connection *connection; /* NULL: it has gone */
    uv_work_t work;
    int home_fd;
    bool reading; /* only the thread touches the rest then */
    int64_t n;
    cJSON *runs;
    size_t count;
    struct subject subjects[];
};

static void question_free(struct question *q)
{
    for (size_t i = 0; i < q->count; i++)
        free(q->subjects[i].name);
    cJSON_Delete(q->runs);
    free(q);
}

static void drop(struct attachment *attachment)
{
    struct question *q = (struct question *)attachment;

    q->connection = NULL;
    if (!q->reading)
        question_free(q);
}

/* --- reading */

/* Newest first. RFC 3339 in UTC sorts as text, but for the milliseconds that are left out. */
static int by_age(const void *a, const void *b)
{
    int64_t at[2] = { 0 };

    (void)instant_parse(json_get_text(*(cJSON *const *)a, "at"), &at[0]);
    (void)instant_parse(json_get_text(*(cJSON *const *)b, "at"), &at[1]);
    return (at[0] < at[1]) - (at[0] > at[1]);
}

/* Those of several workers become one list of the newest n. */
static void merge(struct question *q)
{
    size_t count = (size_t)cJSON_GetArraySize(q->runs), n = 0;
    cJSON **sorted = calloc(count + 1, sizeof *sorted);

    while (sorted && n < count)
        sorted[n++] = cJSON_DetachItemFromArray(q->runs, 0);
    if (!sorted)
        return;
    qsort(sorted, n, sizeof *sorted, by_age);
    for (size_t i = 0; i < n; i++) {
        if ((int64_t)i < q->n)
            (void)cJSON_AddItemToArray(q->runs, sorted[i]);
        else
            cJSON_Delete(sorted[i]);
    }
    free(sorted);
}

static void read_files(uv_work_t *work)
{
    struct question *q = work->data;

    for (size_t i = 0; i < q->count; i++)
        if (history_read(q->home_fd, q->subjects[i].name, q->subjects[i].number, q->n, q->runs) < 0)
            return;
    if (q->count > 1)
        merge(q);
}

static void answer(uv_work_t *work, int status)
{
    struct question *q = work->data;
    struct connection *connection = q->connection;
    cJSON *result;

    (void)status;
    q->reading = false;
    if (!connection) {
        question_free(q);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put_int(result, "version", 1);
    (void)json_put(result, "runs", q->runs);
    q->runs = NULL;
    connection_result(connection, q->attachment.id, result);
    connection_detach(connection, &q->attachment);
}

/* --- the request */

/* NAME:NUMBER and an id mean one instance; every other word means workers, with all that their
 * history has. */
static bool names_instances(const cJSON *params)
{
    const cJSON *word;

    cJSON_ArrayForEach(word, json_get(params, "names"))
    {
        const char *text = cJSON_GetStringValue(word);

        if (text && (strchr(text, ':') || text[strspn(text, "0123456789")] == '\0'))
            return true;
    }
    return false;
}

static int add_subject(struct question *q, const struct instance *i, bool one)
{
    struct subject *subject = &q->subjects[q->count];

    for (size_t k = 0; !one && k < q->count; k++)
        if (strcmp(q->subjects[k].name, i->app->name) == 0)
            return 0;
    *subject = (struct subject){ strdup(i->app->name), one ? i->number : HISTORY_NUMBERS_ALL };
    q->count += subject->name != NULL;
    return subject->name ? 0 : -ENOMEM;
}

static struct question *question_new(struct connection *connection,
                                     const struct wire_request *request, int64_t n)
{
    const struct fleet *fleet = connection->control->fleet;
    bool one = names_instances(request->params);
    struct question *q = calloc(1, sizeof *q + fleet->count * sizeof *q->subjects);
    int r = 0;

    if (!q)
        return NULL;
    q->connection = connection;
    q->attachment.drop = drop;
    q->home_fd = fleet->home->fd;
    q->work.data = q;
    q->n = n;
    q->runs = cJSON_CreateArray();
    for (size_t i = 0; i < fleet->count && r == 0; i++)
        if (params_select(request->params, fleet->instances[i]))
            r = add_subject(q, fleet->instances[i], one);
    if (r == 0 && q->runs)
        return q;
    question_free(q);
    return NULL;
}

void method_history(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    int64_t n = RECORDS_DEFAULT;
    struct question *q;

    if (!params_check_names(connection, request))
        return;
    if (json_get_id(request->params, "n", &n) == -EINVAL || n < 0 || n > RECORDS_MAX) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "n: want a number from 0 to 1000",
                        NULL);
        return;
    }
    q = question_new(connection, request, n);
    if (!q) {
        connection_fail(connection, request->id, WIRE_INTERNAL, "out of memory", NULL);
        return;
    }
    connection_attach(connection, &q->attachment, request->id);
    q->reading = uv_queue_work(fleet->loop, &q->work, read_files, answer) == 0;
    if (!q->reading)
        answer(&q->work, 0);
}
