/*
 * ping and upgrade: what is said of opsd itself.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "methods.h"
#include "own.h"
#include "supervise.h"

static cJSON *who_we_are(void)
{
    cJSON *result = cJSON_CreateObject();

    (void)json_put_int(result, "pid", getpid());
    (void)json_put_int(result, "guard_pid", getppid());
    (void)json_put_text(result, "version", OPS_VERSION);
    return result;
}

void method_ping(struct connection *connection, const struct wire_request *request)
{
    cJSON *result = who_we_are();

    (void)json_put_bool(result, "rolled_back", connection->control->fleet->rolled_back);
    connection_result(connection, request->id, result);
}

/* Where the program that runs lies, or lay: what was installed since is there now. */
static int own_program(char path[static PATH_MAX])
{
    static const char gone[] = " (deleted)"; /* proc(5), /proc/PID/exe */
    ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

    if (n < 0)
        return -errno;
    path[n] = '\0';
    if (access(path, F_OK) < 0 && (size_t)n >= sizeof gone &&
        strcmp(path + n - (sizeof gone - 1), gone) == 0)
        path[(size_t)n - (sizeof gone - 1)] = '\0';
    return 0;
}

void method_upgrade(struct connection *connection, const struct wire_request *request)
{
    const char *path = json_get_text(request->params, "path");
    char own[PATH_MAX] = "";
    struct err why = { "" };
    cJSON *result;
    int r = 0;

    if (path && path[0] != '/') {
        connection_fail(connection, request->id, WIRE_BAD_PARAMS, "path: want an absolute one",
                        NULL);
        return;
    }
    if (!path) {
        r = own_program(own);
        path = own;
    }
    if (r < 0)
        (void)err_set(&why, r, "/proc/self/exe: %s", strerror(-r));
    else
        r = supervise_upgrade(connection->control->fleet, path, &why);
    if (r < 0) {
        connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
        return;
    }
    result = who_we_are();
    (void)json_put_text(result, "path", path);
    connection_result(connection, request->id, result);
}
