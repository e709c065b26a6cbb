/*
 * opsctl jobs [QUEUE] [--state S] [--json], opsctl jobs show|retry|cancel ID [--json]: what is in
 * the queues, and a person's word on one job; opsctl jobs retry --state dead QUEUE: on many; opsctl
 * jobs add QUEUE KIND JSON [--bot B]: a new one.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "buf.h"
#include "instant.h"
#include "jobs_sql.h"
#include "json.h"
#include "main_sql.h"
#include "order.h"
#include "own.h"
#include "text.h"
#include "worker.h"

/* More than fits on any screen; whoever wants more asks the database. */
#define LIST_MOST "200"

enum { LINE_MAX_BYTES = 1 << 20 };

/* Of retry --state: more are more than somebody has looked at. */
#define RETRY_MOST "1000"

enum { OPERANDS_MOST = 3 };

struct words {
    const char *verb; /* NULL: list */
    const char *operands[OPERANDS_MOST];
    int count;
    const char *state, *bot;
    bool json;
};

static int usage(struct run *run)
{
    return run_failed(
        run, -EDOM,
        "want jobs [QUEUE] [--state available|running|done|dead|cancelled] [--json], "
        "jobs show|retry|cancel ID [--json], jobs retry --state dead|cancelled QUEUE, "
        "or jobs add QUEUE KIND JSON [--bot BOT]");
}

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return true;
    return false;
}

/* Whether they go together. */
static bool is_sound(const struct words *words)
{
    static const char *const states[] = { "available", "running", "done", NULL };
    static const char *const ended[] = { "dead", "cancelled", NULL };
    bool has_ended = words->state && is_one_of(words->state, ended);
    int64_t id;

    if (words->bot && (!words->verb || strcmp(words->verb, "add") != 0))
        return false;
    if (!words->verb)
        return words->count <= 1 && (!words->state || has_ended || is_one_of(words->state, states));
    if (strcmp(words->verb, "add") == 0)
        return words->count == OPERANDS_MOST && !words->state;
    if (words->state)
        return strcmp(words->verb, "retry") == 0 && has_ended && words->count == 1;
    return words->count == 1 && text_to_int(words->operands[0], 1, INT64_MAX, &id) == 0;
}

static int read_words(struct run *run, struct words *ret)
{
    static const char *const verbs[] = { "show", "retry", "cancel", "add", NULL };

    for (int i = 0; i < run->argc; i++) {
        const char *word = run->argv[i];

        if (strcmp(word, "--json") == 0)
            ret->json = true;
        else if (strcmp(word, "--state") == 0 && i + 1 < run->argc)
            ret->state = run->argv[++i];
        else if (strcmp(word, "--bot") == 0 && i + 1 < run->argc)
            ret->bot = run->argv[++i];
        else if (word[0] == '-')
            return usage(run);
        else if (!ret->verb && !ret->count && is_one_of(word, verbs))
            ret->verb = word;
        else if (ret->count < OPERANDS_MOST)
            ret->operands[ret->count++] = word;
        else
            return usage(run);
    }
    return is_sound(ret) ? 0 : usage(run);
}

/* One line, the columns apart; what came from outside is escaped. */
static void print_line(const char *const *columns, int n)
{
    OWN_BUF struct buf line = { 0 };

    buf_init(&line, LINE_MAX_BYTES);
    for (int i = 0; i < n; i++) {
        if (i)
            (void)buf_add_text(&line, "  ");
        if (columns[i] && *columns[i])
            (void)text_add_escaped(&line, columns[i], strlen(columns[i]));
        else
            (void)buf_add_text(&line, "-");
    }
    (void)puts(line.p);
}

/* When it ended, began or is due; instants of the database's are UTC, to the second here. */
static const char *when_of(const cJSON *job, char text[static INSTANT_TEXT_MAX])
{
    static const char *const members[] = { "finished_at", "started_at", "run_at" };
    const char *at = NULL;

    for (size_t i = 0; !at && i < sizeof members / sizeof *members; i++)
        at = json_get_text(job, members[i]);
    (void)snprintf(text, INSTANT_TEXT_MAX, "%.19sZ", at ? at : "");
    return text;
}

static void print_job(const cJSON *job)
{
    char id[24], attempt[24], at[INSTANT_TEXT_MAX];
    int64_t number = 0, used = 0, most = 0;

    (void)json_get_id(job, "id", &number);
    (void)json_get_id(job, "attempt", &used);
    (void)json_get_id(job, "max_attempts", &most);
    (void)snprintf(id, sizeof id, "%" PRId64, number);
    (void)snprintf(attempt, sizeof attempt, "%d/%d", (int)used, (int)most);
    print_line((const char *const[]){ id, json_get_text(job, "queue"), json_get_text(job, "kind"),
                                      json_get_text(job, "state"), attempt, when_of(job, at),
                                      json_get_text(job, "group_key"),
                                      json_get_text(job, "last_error") },
               8);
}

static int print_jobs(struct run *run, const char *text)
{
    OWN(json) cJSON *answer = NULL;
    const cJSON *jobs, *job;
    struct err why;
    int r = json_parse(text, strlen(text), &answer, &why);

    if (r < 0)
        return run_failed(run, r, why.text);
    jobs = json_get(answer, "jobs");
    (void)puts(jobs->child ? "id  queue  kind  state  attempt  at  group  last_error"
                           : "no such jobs");
    cJSON_ArrayForEach(job, jobs) print_job(job);
    if (!json_get_bool(answer, "complete"))
        (void)puts("of those that are done or cancelled, only the newest " JOBS_LOOK_BACK
                   " of all queues were looked through");
    return 0;
}

static int list(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows rows = { 0 };
    int r = db_run(run->db, &main_sql[MAIN_SQL_JOBS], &rows, words->operands[0], words->state,
                   LIST_MOST, JOBS_LOOK_BACK);

    if (r < 0)
        return run_db_failed(run, r, "cannot list the jobs");
    if (!words->json)
        return print_jobs(run, rows_text(&rows, 0, 0));
    (void)puts(rows_text(&rows, 0, 0));
    return 0;
}

static int show(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int r = db_run(run->db, &sql[words->json ? SQL_SHOW_JSON : SQL_SHOW], &rows,
                   words->operands[0]);

    if (r < 0)
        return run_db_failed(run, r, "cannot read the job");
    if (rows.count == 0) {
        r = order_no_job(words->operands[0], &why);
        return run_failed(run, r, why.text);
    }
    if (words->json)
        (void)puts(rows_text(&rows, 0, 0));
    for (int row = 0; row < rows.count && !words->json; row++)
        print_line((const char *const[]){ rows_text(&rows, row, 0), rows_text(&rows, row, 1) }, 2);
    return 0;
}

/* Tells what the job's state is now; that it is not what was wanted is a failure. */
static int change(struct run *run, const struct words *words, const struct statement *statement)
{
    OWN_ROWS struct rows rows = { 0 };
    const char *state = NULL;
    char actor[ACTOR_MAX];
    struct err why;
    int r = db_run(run->db, statement, &rows, words->operands[0], actor_name(actor));

    if (r == -EEXIST)
        return run_failed(run, r, "an open job of the queue has the same dedup_key");
    if (r < 0)
        return run_db_failed(run, r, "cannot change the job");
    r = order_outcome(&rows, words->operands[0], &state, &why);
    if (r < 0)
        return run_failed(run, r, why.text);
    if (words->json)
        (void)printf("{\"version\":1,\"id\":%s,\"state\":\"%s\"}\n", words->operands[0], state);
    else
        (void)printf("job %s is %s%s\n", words->operands[0], state,
                     strcmp(state, "running") == 0 ? "; it will not be tried again" : "");
    return 0;
}

static int retry_all(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows rows = { 0 };
    const char *count, *queue = words->operands[0];
    char actor[ACTOR_MAX];
    int r = db_run(run->db, &sql[SQL_RETRY_ALL], &rows, queue, words->state, RETRY_MOST,
                   actor_name(actor));

    if (r < 0)
        return run_db_failed(run, r, "cannot retry the jobs");
    count = rows_text(&rows, 0, 0);
    if (words->json)
        (void)printf("{\"version\":1,\"retried\":%s}\n", count);
    else
        (void)printf("%s %s jobs of %s are available again%s\n", count, words->state, queue,
                     strcmp(count, RETRY_MOST) == 0 ? "; there may be more: once again" : "");
    return 0;
}

static int add(struct run *run, const struct words *words)
{
    OWN_ROWS struct rows rows = { 0 };
    OWN(json) cJSON *payload = NULL;
    struct order order = { .queue = words->operands[0], .kind = words->operands[1] };
    const char *text = words->operands[2];
    char actor[ACTOR_MAX];
    struct err why = { "" };
    int r = json_parse(text, strlen(text), &payload, &why);

    if (r < 0)
        return run_failed(run, -EINVAL, why.text);
    order.payload = payload;
    order.bot = words->bot;
    r = order_check(&order, &why);
    if (r < 0)
        return run_failed(run, r, why.text);
    r = db_run(run->db, &main_sql[MAIN_SQL_ADD], &rows, order.queue, order.kind, text, order.bot,
               actor_name(actor));
    if (r < 0)
        return run_db_failed(run, r, "cannot add the job");
    if (words->json)
        (void)printf("{\"version\":1,\"id\":%s,\"state\":\"available\"}\n", rows_text(&rows, 0, 0));
    else
        (void)printf("job %s is available\n", rows_text(&rows, 0, 0));
    return 0;
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
    if (strcmp(words.verb, "add") == 0)
        return add(run, &words);
    if (words.state)
        return retry_all(run, &words);
    return change(run, &words,
                  &main_sql[strcmp(words.verb, "retry") == 0 ? MAIN_SQL_RETRY : MAIN_SQL_CANCEL]);
}

const struct worker worker = {
    .app = "main",
    .name = "jobs",
    .about = "list the jobs of the queues; show, retry, cancel or add one",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = main_sql,
    .app_sql_count = MAIN_SQL_COUNT,
    .run = jobs,
    .arguments = "[QUEUE] [--state STATE] [--json] | show|retry|cancel ID [--json] | "
                 "retry --state dead QUEUE | add QUEUE KIND JSON [--bot BOT]",
};
