/*
 * opsctl jobs [QUEUE] [--state S] [--json], opsctl jobs show|retry|cancel ID [--json]: what is in
 * the queues, and a person's word on one job.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "buf.h"
#include "jobs_sql.h"
#include "text.h"
#include "worker.h"

/* What a filter that nothing matches may cost: a tenth of a second. */
#define LOOK_BACK "100000"
enum {
    LIST_MOST = 200, /* more than fits on any screen; whoever wants more asks the database */
    LINE_MAX_BYTES = 1 << 20,
};

struct words {
    const char *verb, *id; /* or */
    const char *queue, *state;
    bool json;
};

static int usage(struct run *run)
{
    return run_failed(run, -EDOM,
                      "want jobs [QUEUE] [--state available|running|done|dead|cancelled] [--json], "
                      "or jobs show|retry|cancel ID [--json]");
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

static int read_words(struct run *run, struct words *ret)
{
    static const char *const verbs[] = { "show", "retry", "cancel", NULL };
    static const char *const states[] = {
        "available", "running", "done", "dead", "cancelled", NULL
    };
    int64_t id;

    for (int i = 0; i < run->argc; i++) {
        const char *word = run->argv[i];

        if (strcmp(word, "--json") == 0)
            ret->json = true;
        else if (strcmp(word, "--state") == 0 && i + 1 < run->argc)
            ret->state = run->argv[++i];
        else if (word[0] == '-')
            return usage(run);
        else if (!ret->verb && !ret->queue && is_one_of(word, verbs))
            ret->verb = word;
        else if (ret->verb && !ret->id)
            ret->id = word;
        else if (!ret->verb && !ret->queue)
            ret->queue = word;
        else
            return usage(run);
    }
    if (ret->state && (ret->verb || !is_one_of(ret->state, states)))
        return usage(run);
    if (ret->verb && (!ret->id || text_to_int(ret->id, 1, INT64_MAX, &id) < 0))
        return usage(run);
    return 0;
}

/* One line per row, the columns apart; what came from outside is escaped. */
static void print_rows(const struct rows *rows, int columns)
{
    OWN_BUF struct buf line = { 0 };

    buf_init(&line, LINE_MAX_BYTES);
    for (int row = 0; row < rows->count; row++) {
        buf_clear(&line);
        for (int column = 0; column < columns; column++) {
            const char *text = rows_text(rows, row, column);

            if (column)
                (void)buf_add_text(&line, "  ");
            if (text && *text)
                (void)text_add_escaped(&line, text, strlen(text));
            else
                (void)buf_add_text(&line, "-");
        }
        (void)puts(line.p);
    }
}

static int list(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows older = { 0 }, rows = { 0 };
    char most[16];
    bool complete;
    int r = db_run(run->db, &sql[SQL_OLDER], &older, words->state, LOOK_BACK);

    if (r < 0)
        return run_db_failed(run, r, "cannot list the jobs");
    complete = *rows_text(&older, 0, 0) == 'f';
    (void)snprintf(most, sizeof most, "%d", LIST_MOST);
    if (words->json)
        r = db_run(run->db, &sql[SQL_LIST_JSON], &rows, words->queue, words->state, most, LOOK_BACK,
                   complete ? "t" : "f");
    else
        r = db_run(run->db, &sql[SQL_LIST], &rows, words->queue, words->state, most, LOOK_BACK);
    if (r < 0)
        return run_db_failed(run, r, "cannot list the jobs");
    if (words->json) {
        (void)puts(rows_text(&rows, 0, 0));
        return 0;
    }
    if (rows.count == 0)
        (void)puts("no such jobs");
    else
        (void)puts("id  queue  kind  state  attempt  at  group  last_error");
    print_rows(&rows, 8);
    if (rows.count < LIST_MOST && !complete)
        (void)puts("of those that are done or cancelled, only the newest " LOOK_BACK
                   " of all queues were looked through");
    return 0;
}

static int no_such_job(struct run *run, const char *id)
{
    char why[96];

    (void)snprintf(why, sizeof why,
                   "no job %.20s: there is none, or it ended long ago and was cleared away", id);
    return run_failed(run, -ENOENT, why);
}

static int show(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows rows = { 0 };
    int r = db_run(run->db, &sql[words->json ? SQL_SHOW_JSON : SQL_SHOW], &rows, words->id);

    if (r < 0)
        return run_db_failed(run, r, "cannot read the job");
    if (rows.count == 0)
        return no_such_job(run, words->id);
    if (words->json)
        (void)puts(rows_text(&rows, 0, 0));
    else
        print_rows(&rows, 2);
    return 0;
}

/* Tells what the job's state is now; that it is not what was wanted is a failure. */
static int change(struct run *run, const struct words *words, const struct statement *statement)
{
    OWN_ROWS struct rows rows = { 0 };
    bool retry = statement == &sql[SQL_RETRY];
    const char *state;
    char why[128], actor[ACTOR_MAX];
    int r = db_run(run->db, statement, &rows, words->id, actor_name(actor));

    if (r == -EEXIST)
        return run_failed(run, r, "an open job of the queue has the same dedup_key");
    if (r < 0)
        return run_db_failed(run, r, "cannot change the job");
    state = rows_text(&rows, 0, 0);
    if (!state)
        return no_such_job(run, words->id);
    if (words->json)
        (void)printf("{\"version\":1,\"id\":%s,\"state\":\"%s\"}\n", words->id, state);
    if (strcmp(state, retry ? "available" : "cancelled") == 0) {
        if (!words->json)
            (void)printf("job %s is %s\n", words->id, state);
        return 0;
    }
    if (!retry && strcmp(state, "running") == 0) {
        if (!words->json)
            (void)printf("job %s is running; it will not be tried again\n", words->id);
        return 0;
    }
    (void)snprintf(why, sizeof why, "job %.20s is %s: only one that is %s can be %s", words->id,
                   state, retry ? "dead or cancelled" : "available or running",
                   retry ? "retried" : "cancelled");
    return run_failed(run, -EINVAL, why);
}

static int jobs(struct run *run)
{
    struct words words = { 0 };
    int r = read_words(run, &words);

    if (r < 0)
        return r;
    if (!words.verb)
        return list(run, &words);
    if (strcmp(words.verb, "show") == 0)
        return show(run, &words);
    return change(run, &words, &sql[strcmp(words.verb, "retry") == 0 ? SQL_RETRY : SQL_CANCEL]);
}

const struct worker worker = {
    .app = "main",
    .name = "jobs",
    .about = "list the jobs of the queues; show, retry or cancel one",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = jobs,
    .arguments = "[QUEUE] [--state STATE] [--json] | show|retry|cancel ID [--json]",
};
