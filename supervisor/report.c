/* Members that the JSON of a worker has wherever it is shown. */
#include "report.h"

#include "instant.h"
#include "json.h"

void report_instant(cJSON *object, const char *name, int64_t instant)
{
    char text[INSTANT_TEXT_MAX];

    (void)json_put_text(object, name, instant ? instant_print(instant, text) : NULL);
}

void report_status(cJSON *object, bool known, struct exit_status status)
{
    if (known && !status.signal)
        (void)json_put_int(object, "exit_code", status.code);
    else
        (void)json_put_null(object, "exit_code");
    if (known && status.signal)
        (void)json_put_int(object, "exit_signal", status.signal);
    else
        (void)json_put_null(object, "exit_signal");
}

void report_write_number(struct json_writer *w, const char *name, bool known, int64_t value)
{
    if (known)
        json_write_int(w, name, value);
    else
        json_write_null(w, name);
}

void report_write_status(struct json_writer *w, bool known, struct exit_status status)
{
    report_write_number(w, "exit_code", known && !status.signal, status.code);
    report_write_number(w, "exit_signal", known && status.signal, status.signal);
}
