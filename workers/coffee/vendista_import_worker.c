/*
 * vendista_import_worker: brings owners' sales, and the lists of their machines, from Vendista.
 *
 * Selects   jobs of the queue `import`: {"user_id", "what", "historical", "since"}.
 * Does      asks for page after page, of several owners in turns; the next page is on its way while
 *           the last is being stored.
 * Records   each page with all that follows for the stock, in one transaction (coffee.store_sales),
 *           and how the import ended. Killed anywhere, it begins anew and changes nothing twice.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coffee.h"
#include "coffee_sql.h"
#include "import_order.h"
#include "import_paging.h"
#include "import_request.h"
#include "instant.h"
#include "json.h"
#include "own.h"
#include "queue.h"
#include "vendista.h"
#include "vendista_import_worker_sql.h"

/* So many owners take turns: one whose list is long, or who must wait after an error, delays the
 * others little. And how long a historical import waits before it looks again whether it is alone.
 */
enum { OWNERS_AT_ONCE = 8, HISTORY_WAIT_MS = 30000 };

/* What the statements return, in this order, and how it is called in a job's result. */
enum { SEEN, STORED, REFUSED, WRITTEN_OFF, RETURNED, TASKS, TOLD, TOTALS };
static const char *const total_names[TOTALS] = {
    "selected", "changed", "refused", "written_off", "returned", "tasks", "enqueued",
};

enum outcome { OUTCOME_DONE, OUTCOME_RETRY, OUTCOME_DEAD, OUTCOME_GIVE_BACK, OUTCOME_CANCEL };

static void give_back(struct job *job, const char *why)
{
    (void)why;
    job_give_back(job);
}

static const struct {
    enum log_level level;
    const char *message;
    void (*tell)(struct job *job, const char *why); /* the queue; NULL: it is done */
} outcomes[] = {
    [OUTCOME_DONE] = { LOG_INFO, "imported", NULL },
    [OUTCOME_RETRY] = { LOG_ERROR, "import failed", job_retry },
    [OUTCOME_DEAD] = { LOG_ERROR, "import failed for good", job_dead },
    [OUTCOME_GIVE_BACK] = { LOG_INFO, "import given back", give_back },
    [OUTCOME_CANCEL] = { LOG_INFO, "import cancelled", job_cancel },
};

struct import {
    struct import_request request; /* first: job->data */
    LIST_ENTRY(import) next;
    struct job *job;
    struct import_order order;
    uint64_t began_ms;

    char *login, *password, *token; /* secrets */
    char from[24], to[24], at[40];  /* by the service's clock; when it began, by the database's */

    struct paging paging; /* what is asked for */
    bool asking;
    int storing;          /* statements under way */
    char *document, *ids; /* a page that waits to be stored */
    bool document_is_last;

    bool ended, settled; /* ended: nothing more is asked for; outcome and why say how it ended */
    enum outcome outcome;
    struct err why;

    int64_t totals[TOTALS];
};

static struct run *the_run;
static LIST_HEAD(, import) imports = LIST_HEAD_INITIALIZER(imports);
static bool left; /* the queue is: jobs are no longer there */

static void advance(struct import *import);

static void end(struct import *import, enum outcome outcome, const char *why)
{
    if (import->ended && import->outcome != OUTCOME_DONE)
        return; /* the first failure counts */
    import->ended = true;
    import->outcome = outcome;
    (void)err_set(&import->why, 0, "%s", why);
}

/* --- the end --- */

static cJSON *import_result(const struct import *import)
{
    OWN(json) cJSON *result = cJSON_CreateObject();
    bool fits = json_put_text(result, "user", import->order.user) &&
                json_put_text(result, "what", import->order.what->name) &&
                json_put_int(result, "pages", import->paging.page);

    for (int i = 0; i < TOTALS && fits; i++)
        fits = json_put_int(result, total_names[i], import->totals[i]);
    if (!fits)
        return NULL;
    return TAKE(result);
}

static void import_free(struct import *import)
{
    LIST_REMOVE(import, next);
    own_secret(&import->login);
    own_secret(&import->password);
    own_secret(&import->token);
    vendista_done(&import->request.answer);
    free(import->document);
    free(import->ids);
    free(import);
}

/* One user's failure is seen in ops.run; it commits with the outcome of the job. */
static void record(struct import *import, const char *stats)
{
    char pid[16], took[24], error[768];
    bool done = import->outcome == OUTCOME_DONE;

    (void)snprintf(pid, sizeof pid, "%ld", (long)getpid());
    (void)snprintf(took, sizeof took, "%llu",
                   (unsigned long long)(monotonic_now_ms() - import->began_ms));
    (void)snprintf(error, sizeof error, "user %s, %s: %s", import->order.user,
                   import->order.what->name, import->why.text);
    job_also(import->job, &sql[SQL_RECORD], coffee_host(), pid, took, done ? "0" : "1", stats,
             done ? NULL : error);
}

static void report(struct import *import)
{
    const struct log_field fields[] = {
        LOG_TEXT("user", import->order.user),
        LOG_TEXT("what", import->order.what->name),
        LOG_INT("seen", import->totals[SEEN]),
        LOG_INT("stored", import->totals[STORED]),
        LOG_INT("written_off", import->totals[WRITTEN_OFF]),
        LOG_INT("returned", import->totals[RETURNED]),
        LOG_INT("refused", import->totals[REFUSED]),
        LOG_TEXT("why", *import->why.text ? import->why.text : "-"),
        { 0 },
    };

    log_write(import->totals[REFUSED] ? LOG_WARN : outcomes[import->outcome].level,
              outcomes[import->outcome].message, fields);
    the_run->stats.selected += import->totals[SEEN];
    the_run->stats.changed += import->totals[STORED];
    the_run->stats.enqueued += import->totals[TOLD];
    the_run->stats.failed += import->outcome == OUTCOME_RETRY || import->outcome == OUTCOME_DEAD;
    run_progress(the_run);
}

static void finish(struct import *import)
{
    OWN(json) cJSON *result = import_result(import);
    OWN(free) char *stats = result ? cJSON_PrintUnformatted(result) : NULL;
    struct job *job = import->job;

    report(import);
    if (import->outcome != OUTCOME_GIVE_BACK)
        record(import, stats);
    if (import->outcome == OUTCOME_DONE) {
        job_also(job, &sql[SQL_TOKEN_WORKS], import->order.user);
        job_done(job, TAKE(result));
    } else {
        outcomes[import->outcome].tell(job, import->why.text);
    }
    import_free(import);
}

/* --- storing --- */

static void add_totals(struct import *import, const struct rows *rows)
{
    for (int i = 0; i < TOTALS; i++)
        import->totals[i] += rows_int(rows, 0, i);
}

static void written(struct job *job, const struct rows *rows, const char *error)
{
    struct import *import = job->data;
    struct err why;

    import->storing--;
    if (rows && rows->count > 0)
        add_totals(import, rows);
    if (!rows) {
        (void)err_set(&why, 0, "what came cannot be stored: %s", error);
        end(import, OUTCOME_RETRY, why.text);
    }
    advance(import);
}

static void store(struct import *import)
{
    OWN(free) char *document = TAKE(import->document);
    OWN(free) char *ids = TAKE(import->ids);

    import->storing++;
    if (import->order.what->sales)
        job_query(import->job, written, &sql[SQL_STORE_SALES], import->order.user, document, ids,
                  import->order.historical ? "true" : "false", import->at,
                  setting_text("VENDISTA_TZ"));
    else
        job_query(import->job, written, &sql[SQL_STORE_TERMINALS], import->order.user, document,
                  import->document_is_last ? "true" : "false", import->at,
                  setting_text("VENDISTA_TZ"));
}

static void settle(struct import *import)
{
    import->settled = true;
    import->storing++;
    job_query(import->job, written, &sql[SQL_SETTLE], import->order.user, import->at);
}

/* --- asking --- */

static void take_page(struct import *import)
{
    import->document = TAKE(import->request.answer.document);
    import->ids = TAKE(import->request.answer.ids);
}

static void take_token(struct import *import)
{
    OWN(free) char *encrypted = NULL;

    own_secret(&import->token);
    import->token = TAKE(import->request.answer.token);
    if (coffee_encrypt(import->token, &encrypted) < 0) {
        end(import, OUTCOME_RETRY, "the new token cannot be encrypted");
        return;
    }
    import->storing++;
    job_query(import->job, written, &coffee_sql[COFFEE_SQL_TOKEN_VALID], import->order.user,
              encrypted);
}

static void mark_refused(struct import *import)
{
    job_also(import->job, &coffee_sql[COFFEE_SQL_TOKEN_REFUSED], import->order.user,
             setting_text("TELEGRAM_ADMIN_CHAT_ID"), import->request.answer.why.text);
}

static void mark_unpaid(struct import *import)
{
    job_also(import->job, &sql[SQL_PAYMENT_REQUIRED], import->order.user,
             setting_text("TELEGRAM_ADMIN_CHAT_ID"), import->at);
}

/* clang-format off */
static const struct {
    void (*take)(struct import *); /* what came, or the owner's new status; NULL: nothing */
    bool ends;
    enum outcome outcome;
    const char *why; /* NULL: the answer says it */
} steps[PAGING_STEPS] = {
    [PAGING_PAGE] = { take_page, false, 0, NULL },
    [PAGING_LAST] = { take_page, true, OUTCOME_DONE, "" },
    [PAGING_ENDLESS] = { take_page, true, OUTCOME_DEAD, "Vendista's list does not end" },
    [PAGING_TOKEN] = { take_token, false, 0, NULL },
    [PAGING_AGAIN] = { NULL, false, 0, NULL },
    [PAGING_FAILED] = { NULL, true, OUTCOME_RETRY, NULL },
    [PAGING_TOKENS_REFUSED] = { NULL, true, OUTCOME_RETRY,
                                "Vendista refuses the tokens that it gives" },
    [PAGING_REFUSED] = { mark_refused, true, OUTCOME_DEAD, NULL },
    [PAGING_UNPAID] = { mark_unpaid, true, OUTCOME_DEAD, NULL },
};
/* clang-format on */

static void take(struct import *import)
{
    enum paging_step step = paging_take(&import->paging, &import->request.answer, coffee_random());

    import->document_is_last = step == PAGING_LAST;
    if (steps[step].take)
        steps[step].take(import);
    if (steps[step].ends)
        end(import, steps[step].outcome,
            steps[step].why ? steps[step].why : import->request.answer.why.text);
}

static void asked(struct import_request *request)
{
    struct import *import = (struct import *)request;

    import->asking = false;
    if (left) {
        import_free(import);
        return;
    }
    if (worker_stopping() && !request->answer.document && !request->answer.token)
        end(import, OUTCOME_GIVE_BACK, "the worker was told to stop");
    else if (request->failed < 0)
        end(import, OUTCOME_RETRY, request->answer.why.text);
    else
        take(import);
    vendista_done(&request->answer);
    advance(import);
}

static void ask(struct import *import)
{
    struct import_request *request = &import->request;
    bool sales = import->order.what->sales;

    request->what = import->paging.sign_in ? NULL : import->order.what;
    request->login = import->login;
    request->password = import->password;
    request->query = (struct vendista_query){
        .token = import->token,
        .from = sales ? import->from : NULL,
        .to = sales ? import->to : NULL,
        .page = import->paging.page,
    };
    request->pause_ms = import->paging.pause_ms;
    import->asking = true;
    import_request_make(request);
}

/* Whatever happened: what can go on, goes on. At most one page waits while another is asked for. */
static void advance(struct import *import)
{
    if (import->document && !import->storing)
        store(import);
    if (!import->ended && import->job->cancelled)
        end(import, OUTCOME_CANCEL, "cancelled");
    if (!import->ended && worker_stopping())
        end(import, OUTCOME_GIVE_BACK, "the worker was told to stop");
    if (import->asking)
        return;
    if (!import->ended) {
        if (!import->document)
            ask(import);
    } else if (!import->storing && !import->document) {
        if (import->outcome == OUTCOME_DONE && import->order.what->sales &&
            !import->order.historical && !import->settled)
            settle(import);
        else
            finish(import);
    }
}

/* --- the beginning --- */

enum { COL_ACTIVE, COL_UNPAID, COL_LOGIN, COL_PASSWORD, COL_TOKEN, COL_FROM, COL_TO, COL_AT };

static void take_owner(struct import *import, const struct rows *rows)
{
    if (rows->count == 0) {
        end(import, OUTCOME_DEAD, "there is no such user");
    } else if (!rows_bool(rows, 0, COL_ACTIVE)) {
        end(import, OUTCOME_CANCEL, "the user is not active");
    } else if (rows_bool(rows, 0, COL_UNPAID)) {
        end(import, OUTCOME_CANCEL, "Vendista waits for the user's payment");
    } else if (coffee_decrypt(rows_text(rows, 0, COL_LOGIN), &import->login) < 0 ||
               coffee_decrypt(rows_text(rows, 0, COL_PASSWORD), &import->password) < 0 ||
               coffee_decrypt(rows_text(rows, 0, COL_TOKEN), &import->token) < 0) {
        end(import, OUTCOME_DEAD,
            "the credentials cannot be decrypted; is their key in FIELD_ENCRYPTION_KEY?");
    } else if (!import->token && (!import->login || !import->password)) {
        end(import, OUTCOME_DEAD, "the user has neither a token nor login and password");
    } else {
        import->paging = paging_begin(import->order.what->pages_max, !import->token,
                                      import->login && import->password);
        (void)snprintf(import->from, sizeof import->from, "%s",
                       import->order.what->sales ? rows_text(rows, 0, COL_FROM) : "");
        (void)snprintf(import->to, sizeof import->to, "%s", rows_text(rows, 0, COL_TO));
        (void)snprintf(import->at, sizeof import->at, "%s", rows_text(rows, 0, COL_AT));
    }
}

static void got_owner(struct job *job, const struct rows *rows, const char *error)
{
    struct import *import = job->data;

    if (rows)
        take_owner(import, rows);
    else
        end(import, OUTCOME_RETRY, error);
    advance(import);
}

/* A history takes hours: the others' would take up all the turns there are. */
static bool other_history(const struct import *import)
{
    const struct import *other;

    LIST_FOREACH (other, &imports, next)
        if (other != import && other->order.historical)
            return true;
    return false;
}

static void start(struct job *job)
{
    struct import *import = calloc(1, sizeof *import);
    const char *why;

    if (!import)
        return job_retry(job, "out of memory");
    LIST_INSERT_HEAD(&imports, import, next);
    import->job = import->request.job = job;
    import->request.then = asked;
    import->began_ms = monotonic_now_ms();
    job->data = import;
    why = import_order_read(job->payload, &import->order);
    if (why) {
        log_error("no import", LOG_INT("job", job->id), LOG_TEXT("why", why));
        job_dead(job, why);
        import_free(import);
        return;
    }
    if (import->order.historical && other_history(import)) {
        job_hold(job, HISTORY_WAIT_MS, "another historical import is under way");
        import_free(import);
        return;
    }
    job_query(job, got_owner, &sql[SQL_OWNER], import->order.user, import->order.what->name,
              *import->order.since ? import->order.since : NULL,
              the_run->now_given ? the_run->now : NULL, setting_text("VENDISTA_TZ"));
}

static int open_queue(struct run *run, uv_loop_t *loop)
{
    the_run = run;
    import_requests_open(run, loop);
    coffee_keys_load();
    return 0;
}

/* A request that is under way is waited for; its import has gone back to the queue. */
static void close_queue(void)
{
    struct import *import, *next;

    left = true;
    for (import = LIST_FIRST(&imports); import; import = next) {
        next = LIST_NEXT(import, next);
        if (import_request_forget(&import->request))
            import_free(import);
    }
}

static const struct queue queue = {
    .name = "import",
    .start = start,
    .stop = import_requests_call_off,
    .open = open_queue,
    .close = close_queue,
    .in_flight = OWNERS_AT_ONCE,
};

static int serve(struct run *run)
{
    return queue_serve(run, &queue);
}

const struct worker worker = {
    .app = "coffee",
    .name = "vendista_import_worker",
    .about = "bring owners' sales and machines from Vendista, and keep their stock",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS(COFFEE_NEEDS, "VENDISTA_TZ"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = coffee_sql,
    .app_sql_count = COFFEE_SQL_COUNT,
    .in_flight = 1,
    .run = serve,
};
