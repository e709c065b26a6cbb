/*
 * purchase_paid ID: says that a purchase is paid, and has it delivered.
 *
 * Whoever takes the money says so, by this or over the API; said twice, it is delivered once.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "actor.h"
#include "own.h"
#include "purchase_paid_sql.h"
#include "text.h"
#include "worker.h"

static int purchase_paid(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    char actor[ACTOR_MAX], why[128];
    const char *state;
    int64_t id;
    int r;

    if (run->argc != 1 || text_to_int(run->argv[0], 1, INT64_MAX, &id) < 0)
        return run_failed(run, -EDOM, "want the number of a purchase, which the buyer was told");
    r = db_run(run->db, &sql[SQL_PAID], &rows, run->argv[0], run->now, actor_name(actor));
    if (r < 0)
        return run_db_failed(run, r, "cannot deliver the purchase");
    state = rows_text(&rows, 0, 0);
    if (state && (strcmp(state, "paid") == 0 || strcmp(state, "completed") == 0)) {
        (void)printf("purchase %s is %s\n", run->argv[0], state);
        return 0;
    }
    if (state)
        (void)snprintf(why, sizeof why,
                       "purchase %.20s is %s: only one that is pending can be paid", run->argv[0],
                       state);
    else
        (void)snprintf(why, sizeof why, "no purchase %.20s", run->argv[0]);
    return run_failed(run, state ? -EINVAL : -ENOENT, why);
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "purchase_paid",
    .about = "say that a purchase is paid, and have it delivered",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = purchase_paid,
    .arguments = "ID",
};
