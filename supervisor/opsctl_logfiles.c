/* `opsctl flush`, `opsctl reopen`: what is done with log files as such. */
#include "json.h"
#include "opsctl.h"
#include "own.h"

/* Prints the result as it came, or what is said of it. */
static int ask(struct session *s, const char *method, cJSON *params, cJSON **ret)
{
    int r = session_open(s);

    if (r != EXIT_DONE) {
        cJSON_Delete(params);
        return r;
    }
    r = session_ask(s, method, params, session_timeout_ms(s), ret);
    return r == EXIT_DONE && s->args->json ? print_json(*ret) : r;
}

int command_flush(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int64_t logs = 0;
    int r = ask(s, "flush", session_names_params(s, 0), &result);

    if (r != EXIT_DONE || s->args->json)
        return r;
    (void)json_get_id(result, "logs", &logs);
    (void)printf("logs emptied: %lld\n", (long long)logs);
    return EXIT_DONE;
}

int command_reopen(struct session *s)
{
    OWN(json) cJSON *result = NULL;
    int r = ask(s, "reopen", cJSON_CreateObject(), &result);

    if (r == EXIT_DONE && !s->args->json)
        (void)printf("logs opened again\n");
    return r;
}
