/*
 * schedule_imports: puts the import of every active owner into the queue.
 *
 * Selects   owners that are active, paid and known to Vendista; or, for --what history, one.
 * Does      nothing outside of the database.
 * Records   one job per owner on the queue `import`, unless the same is queued already.
 */
#include <errno.h>
#include <string.h>

#include "schedule_imports_sql.h"
#include "worker.h"

struct order {
    const char *what, *user, *since;
};

static const char *const regular[] = { "last24h", "daily", "weekly", "terminals" };

static bool is_regular(const char *what)
{
    for (size_t i = 0; i < sizeof regular / sizeof *regular; i++)
        if (strcmp(regular[i], what) == 0)
            return true;
    return false;
}

static int usage(struct run *run, const char *why)
{
    return run_failed(run, -EDOM, why);
}

static int read_order(struct run *run, struct order *ret)
{
    const struct {
        const char *name;
        const char **to;
    } options[] = { { "--what", &ret->what },
                    { "--user", &ret->user },
                    { "--since", &ret->since } };
    const size_t n = sizeof options / sizeof *options;
    size_t k;

    for (int i = 0; i < run->argc; i += 2) {
        for (k = 0; k < n && strcmp(options[k].name, run->argv[i]) != 0; k++)
            ;
        if (k == n || !run->argv[i + 1])
            return usage(run, "want --what WHAT, --user ID and --since DAY, each with its value");
        *options[k].to = run->argv[i + 1];
    }
    if (!ret->what)
        return usage(run, "--what is missing: last24h, daily, weekly, terminals or history");
    if (is_regular(ret->what))
        return ret->user || ret->since ? usage(run, "--user and --since are for --what history")
                                       : 0;
    if (strcmp(ret->what, "history") != 0)
        return usage(run, "--what: want last24h, daily, weekly, terminals or history");
    return ret->user ? 0 : usage(run, "--what history wants --user ID");
}

/* The person who asked for it hears why nothing was queued. */
static int explain_none(struct run *run, const char *user)
{
    OWN_ROWS struct rows rows = { 0 };
    struct err why;
    int r;

    r = db_run(run->db, &sql[SQL_OWNER], &rows, user);
    if (r < 0)
        return run_db_failed(run, r, "look up the owner");
    (void)err_set(&why, 0, "user %s: %s", user,
                  rows.count == 0           ? "there is no such user"
                  : !rows_bool(&rows, 0, 0) ? "is not active"
                  : !rows_text(&rows, 0, 2) ? "has no set-up day; say --since DAY"
                                            : "Vendista waits for his payment");
    return run_failed(run, -ENOENT, why.text);
}

static int schedule(struct run *run)
{
    struct order order = { 0 };
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = read_order(run, &order);
    if (r < 0)
        return r;
    if (is_regular(order.what))
        r = db_run(run->db, &sql[SQL_SCHEDULE], &rows, order.what);
    else
        r = db_run(run->db, &sql[SQL_SCHEDULE_HISTORY], &rows, order.user, order.since);
    if (r < 0)
        return run_db_failed(run, r, "queue imports");
    run->stats.selected = rows_int(&rows, 0, 0);
    run->stats.enqueued = rows_int(&rows, 0, 1);
    if (order.user && run->stats.selected == 0)
        return explain_none(run, order.user);
    log_info(run->dry_run ? "would queue imports" : "imports queued", LOG_TEXT("what", order.what),
             LOG_INT("owners", run->stats.selected));
    return 0;
}

const struct worker worker = {
    .app = "coffee",
    .name = "schedule_imports",
    .about = "queue the import of every active owner's sales or terminals",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .arguments = "--what last24h|daily|weekly|terminals | --what history --user ID [--since DAY]",
    .arguments_tell_apart = true,
    .run = schedule,
};
