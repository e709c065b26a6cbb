/*
 * opsctl queues [--json]: how many jobs wait in each queue and for how long, how fast they are
 * done, and how many failed. A count with ~ is an estimate: there is too much to be counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "queues_sql.h"
#include "worker.h"

/* After the counts, in the same order: whether each is an estimate. */
enum column { QUEUE, OLDEST_MS, RATE, DEPTH, DELAYED, RUNNING, FAILURES, DEAD, ESTIMATED };

static void print_count(const struct rows *rows, int row, enum column count)
{
    bool estimated = rows_bool(rows, row, (int)(ESTIMATED + count - DEPTH));
    char text[24];

    (void)snprintf(text, sizeof text, "%s%s", estimated ? "~" : "", rows_text(rows, row, count));
    (void)printf(" %9s", text);
}

static void print(const struct rows *rows)
{
    (void)printf("%-20s %9s %9s %9s %9s %9s %9s %9s\n", "queue", "depth", "delayed", "running",
                 "oldest s", "rate/s", "failures", "dead");
    for (int row = 0; row < rows->count; row++) {
        char oldest[24] = "-";

        if (rows_text(rows, row, OLDEST_MS))
            (void)snprintf(oldest, sizeof oldest, "%" PRId64,
                           rows_int(rows, row, OLDEST_MS) / 1000);
        (void)printf("%-20s", rows_text(rows, row, QUEUE));
        print_count(rows, row, DEPTH);
        print_count(rows, row, DELAYED);
        print_count(rows, row, RUNNING);
        (void)printf(" %9s %9s", oldest, rows_text(rows, row, RATE));
        print_count(rows, row, FAILURES);
        print_count(rows, row, DEAD);
        (void)putchar('\n');
    }
}

static int queues(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    bool json = run->argc == 1 && strcmp(run->argv[0], "--json") == 0;
    int r;

    if (run->argc > json)
        return run_failed(run, -EDOM, "want queues [--json]");
    r = db_run0(run->db, &sql[json ? SQL_QUEUES_JSON : SQL_QUEUES], &rows);
    if (r < 0)
        return run_db_failed(run, r, "cannot read the queues");
    if (json)
        (void)puts(rows_text(&rows, 0, 0));
    else
        print(&rows);
    return 0;
}

const struct worker worker = {
    .app = "main",
    .name = "queues",
    .about = "depth, age of the oldest job, rate and failures of each queue",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = queues,
    .arguments = "[--json]",
};
