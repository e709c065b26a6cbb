/* flush and reopen: what is done with log files as such. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instance_logs.h"
#include "json.h"
#include "methods.h"
#include "own.h"
#include "supervise.h"

/* Returns 1, 0 when there is no such log, or a negative errno. */
static int flush(struct fleet *fleet, const char *path)
{
    int r;

    if (!path || strcmp(path, "/dev/null") == 0)
        return 0;
    r = log_sinks_flush(&fleet->pump.sinks, path);
    return r < 0 ? r : 1;
}

/* Adds to *logs. Returns 0 or a negative errno with the name of the log that is to blame. */
static int flush_instance(const struct instance *i, int64_t *logs, struct err *reterr)
{
    for (int which = 0; which < INSTANCE_LOGS; which++) {
        OWN(free) char *path = instance_log_path(i, (enum instance_log)which);
        int r = flush(i->fleet, path);

        if (r < 0)
            return err_set(reterr, r, "cannot empty %s: %s", path, strerror(-r));
        *logs += r;
    }
    return 0;
}

void method_flush(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    bool all = !cJSON_GetArraySize(json_get(request->params, "names"));
    cJSON *result;
    struct err why;
    int64_t logs = 0;

    if (!all && !params_check_names(connection, request))
        return;
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if ((!all && !params_select(request->params, i)) || flush_instance(i, &logs, &why) == 0)
            continue;
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        return;
    }
    result = cJSON_CreateObject();
    (void)json_put_int(result, "logs", logs);
    connection_result(connection, request->id, result);
}

void method_reopen(struct connection *connection, const struct wire_request *request)
{
    supervise_reopen(connection->control->fleet);
    connection_result(connection, request->id, cJSON_CreateObject());
}
