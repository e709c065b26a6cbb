/*
 * audit_log: writes down who did what.
 *
 * Takes     the queue audit-log, payload {actor, action, details}.
 * Does      nothing outside of the database.
 * Records   one row each in tgadmin.audit_log, many in one transaction with the jobs' ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "audit_log_sql.h"
#include "own.h"
#include "queue.h"
#include "telegram_payload.h"

/* So many rows are one transaction at most. */
enum { BATCH = 256 };

static int read_text(const struct job *job, const char *name, const char **ret, struct err *reterr)
{
    int r = payload_text(job->payload, name, ret, reterr);

    if (r == -ENOENT || (r == 0 && !**ret))
        return err_set(reterr, -EINVAL, "%s is missing", name);
    return r;
}

static void start(struct job *job)
{
    const cJSON *details = payload_get(job->payload, "details");
    OWN(free) char *text = details ? cJSON_PrintUnformatted(details) : NULL;
    const char *actor = NULL, *action = NULL;
    char id[24];
    struct err why;

    if (read_text(job, "actor", &actor, &why) < 0 || read_text(job, "action", &action, &why) < 0) {
        job_dead(job, why.text);
        return;
    }
    if (details && !text) {
        job_retry(job, "out of memory");
        return;
    }
    (void)snprintf(id, sizeof id, "%" PRId64, job->id);
    job_also(job, &sql[SQL_RECORD], id, actor, action, text ? text : "{}");
    job_done(job, NULL);
}

static int audit_log(struct run *run)
{
    static const struct queue queue = { .name = "audit-log", .start = start, .in_flight = BATCH };

    return queue_serve(run, &queue);
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "audit_log",
    .about = "write the audit log",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS("DATABASE_URL"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = audit_log,
};
