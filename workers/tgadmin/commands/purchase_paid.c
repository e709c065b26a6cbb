/*
 * purchase_paid ID: says that a purchase is paid, and has it delivered.
 *
 * Whoever takes the money says so, by this or over the API; said twice, it is delivered once.
 */
#include <errno.h>
#include <stdio.h>

#include "actor.h"
#include "own.h"
#include "purchase_paid_sql.h"
#include "text.h"
#include "worker.h"

enum { COL_STATE, COL_REFUSAL };

static int purchase_paid(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    char actor[ACTOR_MAX];
    int64_t id;
    int r;

    if (run->argc != 1 || text_to_int(run->argv[0], 1, INT64_MAX, &id) < 0)
        return run_failed(run, -EDOM, "want the number of a purchase, which the buyer was told");
    r = db_run(run->db, &sql[SQL_PAID], &rows, run->argv[0], run->now, actor_name(actor));
    if (r < 0)
        return run_db_failed(run, r, "cannot deliver the purchase");
    if (rows_text(&rows, 0, COL_REFUSAL))
        return run_failed(run, -EINVAL, rows_text(&rows, 0, COL_REFUSAL));
    (void)printf("purchase %s is %s\n", run->argv[0], rows_text(&rows, 0, COL_STATE));
    return 0;
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
