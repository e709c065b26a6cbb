/*
 * `opsctl stat`: the fleet as a table, from the same document that --json prints.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "opsctl.h"
#include "opsctl_rows.h"
#include "opsctl_stat.h"
#include "own.h"

/* clang-format off */
static const struct row_column columns[] = {
    /*   title       right  fold drop */
    { { "ID",        true,  0,   0 }, row_id },
    { { "NAME",      false, 30,  0 }, row_name },
    { { "NAMESPACE", false, 0,   9 }, row_namespace },
    { { "STATE",     false, 0,   0 }, row_state },
    { { "PID",       true,  0,   6 }, row_pid },
    { { "UPTIME",    true,  0,   3 }, row_uptime },
    { { "RESTARTS",  true,  0,   2 }, row_restarts },
    { { "CPU",       true,  0,   8 }, row_cpu },
    { { "MEMORY",    true,  0,   7 }, row_memory },
    { { "LAST RUN",  false, 0,   5 }, row_last_run },
    { { "NEXT RUN",  false, 0,   4 }, row_next_run },
    { { "STATUS",    false, 16,  1 }, row_status },
};
/* clang-format on */

static enum colour colour_of(row_text *text, const cJSON *row)
{
    if (text == row_state)
        return state_colour(json_get_text(row, "state"));
    return text == row_name ? COLOUR_BOLD : COLOUR_NONE;
}

int stat_print(FILE *to, const struct terminal *terminal, const cJSON *workers)
{
    static const struct rows rows = { columns, sizeof columns / sizeof columns[0], colour_of };

    return rows_print(&rows, to, terminal, workers);
}

static int print_table(const cJSON *workers)
{
    struct terminal terminal = terminal_look(STDOUT_FILENO);
    int r = stat_print(stdout, &terminal, workers);

    return r < 0 ? complain(EXIT_FAILED, "%s", strerror(-r)) : EXIT_DONE;
}

static bool is_up(const cJSON *row)
{
    static const char *const states[] = { "online", "launching", "scheduled" };
    const char *state = json_get_text(row, "state");

    for (size_t i = 0; state && i < sizeof states / sizeof states[0]; i++) {
        if (strcmp(state, states[i]) == 0)
            return true;
    }
    return false;
}

/* For `stat NAME`: 3 when none of the rows is up. */
static int running(const cJSON *workers)
{
    const cJSON *row;

    cJSON_ArrayForEach(row, workers)
    {
        if (is_up(row))
            return EXIT_DONE;
    }
    return EXIT_NOT_RUNNING;
}

cJSON *stat_params(const struct session *s)
{
    OWN(json) cJSON *params = session_name_params(s);

    if (!params || (!s->args->json && !json_put_bool(params, "sparse", true)))
        return NULL;
    return TAKE(params);
}

int command_stat(struct session *s)
{
    /* Freeing the rows of a thousand workers takes as long as reading them, and the process ends
     * with this command. */
    static cJSON *document;
    const cJSON *workers;
    int r;

    r = session_open(s);
    if (r == EXIT_DONE && s->args->watch)
        return stat_watch(s);
    if (r == EXIT_DONE)
        r = session_ask(s, "workers_stat", stat_params(s), session_timeout_ms(s), &document);
    if (r != EXIT_DONE)
        return r;
    workers = json_get(document, "workers");
    r = s->args->json ? print_json(document) : print_table(workers);
    return r == EXIT_DONE && s->args->count ? running(workers) : r;
}
