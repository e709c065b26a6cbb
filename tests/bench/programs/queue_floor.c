/*
 * What one libpq connection can do: finishes a hundred jobs and claims the next in one statement,
 * with no history, no fences, no retries. DATABASE_URL says where, bench_queue.py makes the table;
 * prints the seconds taken. The argument is how what is claimed is named: "cte", as queues are
 * commonly written, or "array", which PostgreSQL plans better.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The table is new and nobody has counted its rows: without this, all of it is read each time. */
static const char planner[] = "select set_config('enable_seqscan', 'off', false), "
                              "set_config('enable_bitmapscan', 'off', false)";
#define OVER "with over as (delete from floor_job where id = any ($1::bigint[]) and state = 1)"
#define CLAIM " state = 1, attempt = attempt + 1, started_at = now(), worker = 1"
#define NEXT                                                       \
    "select id from floor_job where state = 0 and run_at <= now()" \
    " order by priority, run_at, id limit 100 for update skip locked"
static const char cte[] = OVER ", next as materialized (" NEXT ")"
                               " update floor_job job set" CLAIM
                               " from next where job.id = next.id returning job.id, job.payload";
static const char array[] = OVER " update floor_job set" CLAIM " where id = any (array(" NEXT
                                 ")) returning id, payload";

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static PGresult *checked(PGconn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return result;
    fprintf(stderr, "%s", PQerrorMessage(conn));
    exit(1);
}

int main(int argc, char **argv)
{
    static char ids[100 * 24 + 3] = "{}";
    const char *const params[] = { ids };
    PGconn *conn = PQconnectdb(getenv("DATABASE_URL"));
    double began;
    int found;

    PQclear(checked(conn, PQexec(conn, planner)));
    PQclear(
        checked(conn, PQprepare(conn, "turn",
                                argc > 1 && strcmp(argv[1], "array") == 0 ? array : cte, 1, NULL)));
    began = now();
    do {
        PGresult *jobs = checked(conn, PQexecPrepared(conn, "turn", 1, params, NULL, NULL, 0));
        size_t length = 0;

        found = PQntuples(jobs);
        for (int i = 0; i < found; i++)
            length += (size_t)snprintf(ids + length, sizeof ids - length, "%c%s", i ? ',' : '{',
                                       PQgetvalue(jobs, i, 0));
        snprintf(ids + length, sizeof ids - length, "%s", found ? "}" : "{}");
        PQclear(jobs);
    } while (found);
    printf("%f\n", now() - began);
    PQfinish(conn);
    return 0;
}
