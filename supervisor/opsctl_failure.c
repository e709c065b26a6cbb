/*
 * How a command ends badly: a sentence on stderr, an exit code of the table below, and with --json
 * the error as a document on stdout, so that a script has one to read whatever happens.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_display.h"
#include "opsctl_row.h"
#include "own.h"

/* clang-format off */
static const struct {
    enum wire_error error;
    enum exit_code exit_code;
} exit_codes[] = {
    { WIRE_BAD_PARAMS,    EXIT_USAGE },
    { WIRE_FAILED,        EXIT_FAILED },
    { WIRE_NOT_RUNNING,   EXIT_NOT_RUNNING },
    { WIRE_NO_WORKER,     EXIT_NO_WORKER },
    { WIRE_NOT_PERMITTED, EXIT_NOT_PERMITTED },
    /* opsctl and opsd do not understand each other */
    { WIRE_PARSE,         EXIT_FAILED },
    { WIRE_INVALID,       EXIT_FAILED },
    { WIRE_NO_METHOD,     EXIT_FAILED },
    { WIRE_INTERNAL,      EXIT_FAILED },
};
/* clang-format on */

enum { EXIT_CODES = sizeof exit_codes / sizeof exit_codes[0] };

/* Like stdout itself this belongs to the program: whether it still owes a document there. */
static bool document_is_owed;

void failure_as_document(void)
{
    document_is_owed = true;
}

int print_json(const cJSON *document)
{
    OWN(free) char *text = cJSON_PrintUnformatted(document);

    if (!text)
        return complain(EXIT_FAILED, "out of memory");
    document_is_owed = false;
    (void)printf("%s\n", text);
    return EXIT_DONE;
}

/* Takes error, as an answer carries it. */
static void print_error(cJSON *error)
{
    OWN(json) cJSON *owned = error;
    OWN(json) cJSON *document = cJSON_CreateObject();

    if (!document_is_owed)
        return;
    document_is_owed = false;
    if (document && json_put(document, "error", TAKE(owned)))
        (void)print_json(document);
}

/* The error for a failure that opsctl found by itself; the code is what opsd would have said. */
static cJSON *error_of(int code, const char *message)
{
    OWN(json) cJSON *error = cJSON_CreateObject();
    size_t i = 0;

    while (i < EXIT_CODES - 1 && (int)exit_codes[i].exit_code != code)
        i++;
    if (!error || !json_put_int(error, "code", exit_codes[i].error) ||
        !json_put_text(error, "message", message))
        return NULL;
    return TAKE(error);
}

int complain(int code, const char *format, ...)
{
    OWN(free) char *text = NULL;
    char *rest = NULL;
    va_list arguments;

    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0)
        text = NULL;
    va_end(arguments);
    if (text && code != EXIT_DONE)
        print_error(error_of(code, text));
    (void)fflush(stdout);
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        (void)display_print(stderr, "opsctl: ", line, DISPLAY_LINE);
    return code;
}

/* One worker of a failure's data: what became of it, and the last that it printed. */
static void complain_worker(const struct row_context *worker)
{
    OWN_BUF struct buf text = { 0 };
    const char *reason = json_get_text(worker->row, "reason");
    const cJSON *line;

    buf_init(&text, CLIENT_LINE_MAX);
    if (row_name(worker, &text) == 0 && buf_add_text(&text, " ") == 0 &&
        row_outcome(worker, &text) == 0)
        (void)complain(0, "%s%s%s", text.p, reason && reason[0] ? ": " : "", reason ? reason : "");
    cJSON_ArrayForEach(line, json_get(worker->row, "lines"))
    {
        if (cJSON_IsString(line))
            (void)complain(0, "    | %s", line->valuestring);
    }
}

/* What opsd goes on with although this command gives up. */
static bool is_under_way(const cJSON *worker)
{
    static const char *const states[] = { "launching", "stopping", "waiting", "waiting restart" };
    const char *state = json_get_text(worker, "state");

    for (size_t i = 0; state && i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0)
            return true;
    }
    return false;
}

static void complain_data(const cJSON *data)
{
    struct row_context worker = { 0 };
    const cJSON *problem;
    bool under_way = false;

    cJSON_ArrayForEach(problem, json_get(data, "problems"))
    {
        if (cJSON_IsString(problem))
            (void)complain(0, "%s", problem->valuestring);
    }
    cJSON_ArrayForEach(worker.row, json_get(data, "workers"))
    {
        complain_worker(&worker);
        under_way = under_way || is_under_way(worker.row);
    }
    if (under_way)
        (void)complain(0, "what is still under way goes on in the background");
}

int session_refused(const cJSON *error)
{
    const cJSON *code = json_get(error, "code");

    print_error(cJSON_Duplicate(error, true));
    (void)complain(0, "%s", json_get_text(error, "message"));
    complain_data(json_get(error, "data"));
    for (size_t i = 0; i < EXIT_CODES; i++) {
        if (code->valuedouble == (double)exit_codes[i].error)
            return (int)exit_codes[i].exit_code;
    }
    return EXIT_FAILED;
}
