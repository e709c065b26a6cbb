/* How far a command is that concerns many workers. */
#include "opsctl_progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

/* Fewer are done before anybody has read a number. */
enum { MANY = 10 };

bool progress_is_wanted(void)
{
    return isatty(STDERR_FILENO);
}

/* What happens to each. */
static const char *done_word(const struct session *s)
{
    static const struct {
        const char *method, *word;
    } words[] = {
        { "start", "started" },     { "restart", "restarted" }, { "stop", "stopped" },
        { "reload", "reloaded" },   { "delete", "deleted" },    { "scale", "scaled" },
        { "resurrect", "started" },
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(s->args->command->method, words[i].method) == 0)
            return words[i].word;
    return "done";
}

void progress_show(struct session *s, const cJSON *params)
{
    int64_t done, of;

    if (!progress_is_wanted() || json_get_id(params, "done", &done) < 0 ||
        json_get_id(params, "of", &of) < 0 || of < MANY)
        return;
    /* ECMA-48, 8.3.41: erase to the end of the line. */
    (void)fprintf(stderr, "\r%lld of %lld %s\x1b[K", (long long)done, (long long)of, done_word(s));
    (void)fflush(stderr);
    s->shows_progress = true;
}

void progress_end(struct session *s)
{
    if (s->shows_progress)
        (void)fputs("\r\x1b[K", stderr);
    s->shows_progress = false;
}
