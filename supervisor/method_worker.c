/*
 * signal and reset: small things done to a worker.
 */
#include <ctype.h>
#include <signal.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "methods.h"
#include "text.h"

/* Longer than any name of a signal. */
enum { SIGNAL_WORD_MAX = 16 };

static const char *without_prefix(const char *name)
{
    return strncasecmp(name, "SIG", 3) == 0 ? name + 3 : name;
}

/* "HUP", "sighup" or "1"; 0 when it is none. */
static int signal_number(const char *text)
{
    int64_t number;
    const char *name;

    if (text_to_int(text, 1, SIGRTMAX, &number) == 0)
        return (int)number;
    for (int n = 1; n < SIGRTMIN; n++) {
        name = sigabbrev_np(n);
        if (name && strcasecmp(name, without_prefix(text)) == 0)
            return n;
    }
    return 0;
}

/* The signal that was probably meant, or NULL. */
static const char *nearest_signal(const char *text)
{
    const char *names[NSIG] = { NULL };
    char word[SIGNAL_WORD_MAX];
    size_t n = 0;

    if (strlen(text) >= sizeof word)
        return NULL;
    for (text = without_prefix(text); *text; text++)
        word[n++] = (char)toupper((unsigned char)*text);
    word[n] = '\0';
    for (int number = 1; number < SIGRTMIN; number++)
        names[number] = sigabbrev_np(number);
    return text_nearest(word, names, SIGRTMIN);
}

static void fail_signal(struct connection *connection, const struct wire_request *request,
                        const char *got)
{
    const char *nearest = got ? nearest_signal(got) : NULL;
    struct err message;

    if (nearest)
        (void)err_set(&message, 0, "no signal \"%.64s\"; did you mean %s?", got, nearest);
    else
        (void)err_set(&message, 0,
                      "no signal \"%.64s\": want a name (HUP, SIGHUP) or a number from 1 to %d",
                      got ? got : "", SIGRTMAX);
    connection_fail(connection, request->id, WIRE_BAD_PARAMS, message.text, NULL);
}

/* To the worker's own process, and to nothing that it started. Returns how many there were. */
static int send_signal(const struct fleet *fleet, const cJSON *params, int number, cJSON *workers)
{
    int sent = 0;

    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (!params_select(params, i) || !i->keeper || !i->pid ||
            keeper_order(i->keeper, number) < 0)
            continue;
        sent++;
        (void)cJSON_AddItemToArray(workers, report_process(i));
    }
    return sent;
}

void method_signal(struct connection *connection, const struct wire_request *request)
{
    const char *name = json_get_text(request->params, "signal");
    int number = name ? signal_number(name) : 0;
    cJSON *result, *workers;

    if (!number) {
        fail_signal(connection, request, name);
        return;
    }
    if (!params_check_names(connection, request))
        return;
    result = cJSON_CreateObject();
    workers = cJSON_CreateArray();
    if (send_signal(connection->control->fleet, request->params, number, workers)) {
        (void)json_put(result, "workers", workers);
        connection_result(connection, request->id, result);
        return;
    }
    cJSON_Delete(workers);
    cJSON_Delete(result);
    connection_fail(connection, request->id, WIRE_NOT_RUNNING, "it does not run", NULL);
}

/* As PM2's: whoever counts restarts begins at 0, and so does back-off. */
void method_reset(struct connection *connection, const struct wire_request *request)
{
    struct fleet *fleet = connection->control->fleet;
    cJSON *result, *workers;

    if (!params_check_names(connection, request))
        return;
    result = cJSON_CreateObject();
    workers = cJSON_CreateArray();
    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];

        if (!params_select(request->params, i))
            continue;
        i->machine.restarts = i->machine.unstable_restarts = 0;
        i->machine.history = (struct restart_history){ 0 };
        (void)cJSON_AddItemToArray(workers, report_row(i));
    }
    fleet_touch(fleet);
    (void)json_put(result, "workers", workers);
    connection_result(connection, request->id, result);
}
