/*
 * Any bytes as a request. Beyond not crashing: what was accepted can be said again and means the
 * same, and every answer to it is one line.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void assert_one_line(const char *line)
{
    assert(line);
    assert(strchr(line, '\n') == line + strlen(line) - 1);
}

/* A request that came through is sent on as a notification of its method, and must come back. */
static void assert_same_again(const struct wire_request *request)
{
    OWN(free) char *line = wire_notification(request->method, cJSON_Duplicate(request->params, 1));
    struct wire_request again;
    const char *why;

    assert_one_line(line);
    assert(wire_parse(line, strlen(line) - 1, &again, &why) == 0);
    assert(!again.id);
    assert(strcmp(again.method, request->method) == 0);
    assert(cJSON_Compare(again.params, request->params, 1));
    wire_request_done(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct wire_request request;
    const char *why = NULL;
    int r = wire_parse((const char *)data, n, &request, &why);
    OWN(free) char *answer = NULL;

    assert(r == 0 || why);
    answer = wire_failure(request.id, r, why ? why : "fine", NULL);
    assert_one_line(answer);
    if (r == 0)
        assert_same_again(&request);
    wire_request_done(&request);
    return 0;
}
