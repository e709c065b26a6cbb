/* send: a line for the standard input of workers that read one. */
#include <errno.h>
#include <string.h>

#include "json.h"
#include "methods.h"
#include "stdin_line.h"

/* Returns 0 or a negative errno, as stdin_write. */
static int send_to(const struct instance *i, const char *line, size_t n)
{
    char bytes[STDIN_LINE_MAX];

    if (!i->pid)
        return -ESRCH;
    memcpy(bytes, line, n);
    bytes[n] = '\n';
    return stdin_write(i->pid, i->pid_start, bytes, n + 1);
}

static void fail(struct connection *connection, const struct wire_request *request,
                 const struct instance *i, int r)
{
    char message[256];
    const char *name = i->app->name;

    if (r == -ESRCH)
        (void)snprintf(message, sizeof message, "%.64s does not run", name);
    else if (r == -ENOTSUP)
        (void)snprintf(message, sizeof message,
                       "%.64s has no standard input: give it \"stdin\": true in the manifest, and "
                       "restart it",
                       name);
    else if (r == -EAGAIN)
        (void)snprintf(message, sizeof message,
                       "%.64s does not read its standard input: what was sent before fills it",
                       name);
    else
        (void)snprintf(message, sizeof message, "%.64s: %s", name, strerror(-r));
    connection_fail(connection, request->id, r == -ESRCH ? WIRE_NOT_RUNNING : WIRE_FAILED, message,
                    NULL);
}

void method_send(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    const char *line = json_get_text(request->params, "line");
    size_t n = line ? strlen(line) : 0;
    cJSON *workers, *result;
    int r;

    if (!line || n >= STDIN_LINE_MAX || strchr(line, '\n')) {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS,
                        "line: want one line of at most 4,095 bytes", NULL);
        return;
    }
    if (!params_check_names(connection, request))
        return;
    workers = cJSON_CreateArray();
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (i->run || !params_select(request->params, i))
            continue;
        r = send_to(i, line, n);
        if (r < 0) {
            cJSON_Delete(workers);
            fail(connection, request, i, r);
            return;
        }
        (void)cJSON_AddItemToArray(workers, report_process(i));
    }
    result = cJSON_CreateObject();
    (void)json_put(result, "workers", workers);
    connection_result(connection, request->id, result);
}
