/*
 * JSON-RPC 2.0 as lines: one object a line, in both directions. Nothing here reads or writes;
 * what comes from a client is copied or refused, never kept by reference.
 */
#include "wire.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"

static int refuse(int code, const char *why, const char **ret_why)
{
    *ret_why = why;
    return code;
}

static int no_memory(const char **ret_why)
{
    return refuse(WIRE_INTERNAL, "opsd is out of memory", ret_why);
}

/* The line is copied because json_parse wants a text that ends with '\0'. */
static int parse_document(const char *line, size_t n, cJSON **ret, const char **ret_why)
{
    OWN(free) char *text = malloc(n + 1);

    if (!text)
        return no_memory(ret_why);
    memcpy(text, line, n);
    text[n] = '\0';
    switch (json_parse(text, n, ret, NULL)) {
    case 0:
        return 0;
    case -EMSGSIZE:
        return refuse(WIRE_PARSE, "the request is nested too deeply", ret_why);
    case -ENOMEM:
        return no_memory(ret_why);
    default:
        return refuse(WIRE_PARSE, "the line is not one JSON object without repeated keys", ret_why);
    }
}

static int read_id(const cJSON *document, cJSON **ret, const char **ret_why)
{
    const cJSON *id = json_get(document, "id");

    if (!id)
        return 0;
    if (!cJSON_IsString(id) && !cJSON_IsNull(id) &&
        !(cJSON_IsNumber(id) && isfinite(id->valuedouble)))
        return refuse(WIRE_INVALID, "\"id\" wants a number, a text or null", ret_why);
    *ret = cJSON_Duplicate(id, 1);
    return *ret ? 0 : no_memory(ret_why);
}

static int read_method(const cJSON *document, struct wire_request *request, const char **ret_why)
{
    const char *method = json_get_text(document, "method");

    if (!method)
        return refuse(WIRE_INVALID, "\"method\" wants the name of a method", ret_why);
    if (strlen(method) >= sizeof request->method)
        return refuse(WIRE_NO_METHOD, "no method has a name that long", ret_why);
    memcpy(request->method, method, strlen(method) + 1);
    return 0;
}

static int read_params(cJSON *document, cJSON **ret, const char **ret_why)
{
    const cJSON *params = json_get(document, "params");

    if (params && !cJSON_IsObject(params))
        return refuse(cJSON_IsArray(params) ? WIRE_BAD_PARAMS : WIRE_INVALID,
                      "\"params\" wants an object: parameters go by name", ret_why);
    *ret = params ? cJSON_DetachItemFromObjectCaseSensitive(document, "params")
                  : cJSON_CreateObject();
    return *ret ? 0 : no_memory(ret_why);
}

int wire_parse(const char *line, size_t n, struct wire_request *ret, const char **ret_why)
{
    OWN(json) cJSON *document = NULL;
    const char *version;
    int r;

    *ret = (struct wire_request){ 0 };
    r = parse_document(line, n, &document, ret_why);
    if (r)
        return r;
    if (!cJSON_IsObject(document))
        return refuse(WIRE_INVALID, "a request is one object; batches are not taken", ret_why);
    r = read_id(document, &ret->id, ret_why);
    if (r)
        return r;
    version = json_get_text(document, "jsonrpc");
    if (!version || strcmp(version, "2.0") != 0)
        return refuse(WIRE_INVALID, "\"jsonrpc\" wants \"2.0\"", ret_why);
    r = read_method(document, ret, ret_why);
    if (r)
        return r;
    return read_params(document, &ret->params, ret_why);
}

void wire_request_done(struct wire_request *request)
{
    cJSON_Delete(request->id);
    cJSON_Delete(request->params);
    *request = (struct wire_request){ 0 };
}

static char *print_line(const cJSON *message)
{
    char *text = cJSON_PrintUnformatted(message), *line;
    size_t n;

    if (!text)
        return NULL;
    n = strlen(text);
    line = realloc(text, n + 2);
    if (!line) {
        free(text);
        return NULL;
    }
    memcpy(line + n, "\n", 2);
    return line;
}

static cJSON *answer_new(const cJSON *id)
{
    OWN(json) cJSON *answer = cJSON_CreateObject();
    cJSON *copy = id ? cJSON_Duplicate(id, 1) : cJSON_CreateNull();

    if (!answer || !json_put_text(answer, "jsonrpc", "2.0")) {
        cJSON_Delete(copy);
        return NULL;
    }
    return json_put(answer, "id", copy) ? TAKE(answer) : NULL;
}

char *wire_result(const cJSON *id, cJSON *result)
{
    OWN(json) cJSON *owned = result;
    OWN(json) cJSON *answer = answer_new(id);

    if (!answer || !json_put(answer, "result", TAKE(owned)))
        return NULL;
    return print_line(answer);
}

char *wire_failure(const cJSON *id, int code, const char *message, cJSON *data)
{
    OWN(json) cJSON *owned = data;
    OWN(json) cJSON *answer = answer_new(id);
    OWN(json) cJSON *error = cJSON_CreateObject();

    if (!answer || !error || !json_put_int(error, "code", code) ||
        !json_put_text(error, "message", message))
        return NULL;
    if (owned && !json_put(error, "data", TAKE(owned)))
        return NULL;
    return json_put(answer, "error", TAKE(error)) ? print_line(answer) : NULL;
}

char *wire_notification(const char *method, cJSON *params)
{
    OWN(json) cJSON *owned = params;
    OWN(json) cJSON *message = cJSON_CreateObject();

    if (!message || !json_put_text(message, "jsonrpc", "2.0") ||
        !json_put_text(message, "method", method) || !json_put(message, "params", TAKE(owned)))
        return NULL;
    return print_line(message);
}
