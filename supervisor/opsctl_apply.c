/*
 * `opsctl diff` and `apply`: what the manifest as it is now changes, a line for each worker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_change.h"
#include "opsctl_display.h"
#include "own.h"

enum { CHANGE_COLUMNS = 9 };

/* "restart  billing (args, env)" */
static int print_change(const cJSON *change)
{
    const char *name = json_get_text(change, "name"), *how = json_get_text(change, "change");
    OWN_BUF struct buf line = { 0 };
    const char *before = " (";
    const cJSON *field;
    int r;

    buf_init(&line, CLIENT_LINE_MAX);
    r = buf_printf(&line, "%-*s%s", CHANGE_COLUMNS, how ? how : "?", name ? name : "?");
    cJSON_ArrayForEach(field, json_get(change, "fields"))
    {
        if (r == 0 && cJSON_IsString(field))
            r = buf_printf(&line, "%s%s", before, field->valuestring);
        before = ", ";
    }
    if (r == 0 && before[0] == ',')
        r = buf_add_text(&line, ")");
    return r < 0 ? r : display_print(stdout, "", line.p, DISPLAY_CELL);
}

static int print_changes(const struct session *s, const cJSON *result, const char *none)
{
    const cJSON *changes = json_get(result, "changes"), *change;

    if (s->args->json)
        return print_json(result);
    print_notes(result);
    cJSON_ArrayForEach(change, changes)
    {
        if (print_change(change) < 0)
            return complain(EXIT_FAILED, "out of memory");
    }
    if (!cJSON_GetArraySize(changes))
        (void)printf("%s\n", none);
    return EXIT_DONE;
}

int command_diff(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int r = session_open(s);

    if (r == EXIT_DONE)
        r = session_ask(s, "diff", cJSON_CreateObject(), session_timeout_ms(s), &result);
    return r == EXIT_DONE ? print_changes(s, result, "nothing would change") : r;
}

int command_apply(struct session *s)
{
    OWN(json) cJSON *params = cJSON_CreateObject();
    OWN(json) cJSON *result = NULL;
    int r = session_open(s);

    if (r != EXIT_DONE)
        return r;
    if (s->args->timeout_ms && !json_put_int(params, "timeout_ms", s->args->timeout_ms))
        return complain(EXIT_FAILED, "out of memory");
    r = session_ask(s, "apply", TAKE(params), session_patience_ms(s), &result);
    return r == EXIT_DONE ? print_changes(s, result, "nothing changed") : r;
}
