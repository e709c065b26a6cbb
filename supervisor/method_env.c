/*
 * env: the environment that a worker was started with, or would be. Its secrets stay where they
 * are: what looks like one is masked even for the owner, whose terminal others may see.
 */
#include <string.h>
#include <strings.h>

#include "buf.h"
#include "instance_command.h"
#include "json.h"
#include "methods.h"
#include "own.h"

#define MASK "********"

enum { VALUE_BYTES_MAX = 1 << 20 };

static bool holds_any(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcasestr(text, *words))
            return true;
    return false;
}

static bool is_secret_name(const char *name)
{
    static const char *const parts[] = { "KEY",  "SECRET",     "TOKEN",  "PASS",    "PWD",
                                         "AUTH", "CREDENTIAL", "COOKIE", "PRIVATE", "DSN",
                                         "SALT", "SIGNATURE",  NULL };
    /* Names that hold a part and are folders. */
    static const char *const folders[] = { "PWD", "OLDPWD", NULL };

    for (size_t i = 0; folders[i]; i++)
        if (strcmp(name, folders[i]) == 0)
            return false;
    return holds_any(name, parts);
}

/* Connection strings (libpq's keywords) and the queries of URLs. */
static bool is_secret_value(const char *value)
{
    static const char *const parts[] = { "password=", "passwd=",     "secret=", "token=",
                                         "key=",      "PRIVATE KEY", NULL };

    return holds_any(value, parts);
}

/* The password of the first URL in text: user:password@ (RFC 3986, section 3.2.1), also one that
 * should have been escaped. Returns its length; 0: none. */
static size_t find_password(const char *text, const char **ret)
{
    const char *authority, *end, *at, *colon;

    for (; (authority = strstr(text, "://")); text = end) {
        authority += strlen("://");
        end = authority + strcspn(authority, " \t\n");
        at = memrchr(authority, '@', (size_t)(end - authority));
        colon = at ? memchr(authority, ':', (size_t)(at - authority)) : NULL;
        if (colon && colon + 1 < at) {
            *ret = colon + 1;
            return (size_t)(at - colon - 1);
        }
    }
    return 0;
}

/* Adds value with the passwords in its URLs masked. */
static int add_masked(struct buf *to, const char *value)
{
    const char *password;
    size_t n;
    int r = 0;

    while (r == 0 && (n = find_password(value, &password))) {
        r = buf_add(to, value, (size_t)(password - value));
        if (r == 0)
            r = buf_add_text(to, MASK);
        value = password + n;
    }
    return r < 0 ? r : buf_add_text(to, value);
}

static void put_variable(cJSON *object, const char *entry)
{
    OWN(free) char *name = strndup(entry, strcspn(entry, "="));
    const char *value = strchr(entry, '=');
    OWN_BUF struct buf shown = { 0 };

    buf_init(&shown, VALUE_BYTES_MAX);
    if (!name || !value)
        return;
    value++;
    if (value[0] && (is_secret_name(name) || is_secret_value(value)))
        value = MASK;
    else if (add_masked(&shown, value) == 0)
        value = shown.p ? shown.p : "";
    else
        value = MASK;
    (void)json_put_text(object, name, value);
}

/* Returns NULL with reterr when the environment cannot be made, and so no worker be started. */
static cJSON *env_row(const struct instance *i, struct err *reterr)
{
    struct environment env;
    char *listen_pid;
    cJSON *row = NULL, *variables;
    int r;

    r = instance_environment(i, &env, reterr);
    if (r == 0)
        r = instance_environment_of_worker(i, &env, &listen_pid);
    if (r == 0) {
        row = cJSON_CreateObject();
        variables = cJSON_CreateObject();
        for (char **entry = env.list; *entry; entry++)
            put_variable(variables, *entry);
        (void)json_put_text(row, "name", i->app->name);
        (void)json_put_int(row, "instance", i->number);
        (void)json_put(row, "env", variables);
    }
    environment_done(&env);
    return row;
}

void method_env(struct connection *connection, const struct wire_request *request)
{
    const struct fleet *fleet = connection->control->fleet;
    OWN(json) cJSON *workers = cJSON_CreateArray();
    struct err why = { "out of memory" };
    cJSON *result, *row;

    if (!params_check_names(connection, request))
        return;
    for (size_t k = 0; k < fleet->count; k++) {
        if (!params_select(request->params, fleet->instances[k]))
            continue;
        row = env_row(fleet->instances[k], &why);
        if (!row) {
            connection_fail(connection, request->id, WIRE_FAILED, why.text, NULL);
            return;
        }
        (void)cJSON_AddItemToArray(workers, row);
    }
    result = cJSON_CreateObject();
    (void)json_put(result, "workers", TAKE(workers));
    connection_result(connection, request->id, result);
}
