/* What the supervisor tells the guard (guard.h), verb by verb. */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "guard_parts.h"
#include "home.h"
#include "instant.h"
#include "log.h"
#include "notify.h"

static void told_store(struct guard *guard, struct guard_message *message, char *names)
{
    char *name;
    int fd;

    while ((name = strsep(&names, "\n")) && (fd = guard_message_next(message)) >= 0)
        if (store_add(guard->store, name, fd) < 0)
            log_error("cannot keep a descriptor", LOG_TEXT("name", name));
}

static void told_drop(struct guard *guard, struct guard_message *message, char *names)
{
    char *name;

    (void)message;
    while ((name = strsep(&names, "\n")))
        store_drop(guard->store, name);
}

static void told_clear(struct guard *guard, struct guard_message *message, char *names)
{
    (void)message;
    (void)names;
    for (size_t i = guard->store->count; i-- > 0;)
        if (guard->store->items[i].name[0] != '@')
            store_drop(guard->store, guard->store->items[i].name);
}

static void told_ready(struct guard *guard, struct guard_message *message, char *names)
{
    int started = store_take(guard->store, GUARD_STARTED);

    (void)message;
    (void)names;
    guard->ready_ms = (int64_t)monotonic_now_ms();
    if (started >= 0) {
        (void)!write(started, "r", 1);
        (void)close(started);
        if (!guard->options.foreground)
            (void)home_detach(store_find(guard->store, GUARD_HOME));
        log_with_time();
        (void)notify_send("READY=1");
    }
    if (guard->leaving)
        (void)kill(guard->pid, guard->leaving);
}

static void told_leaving(struct guard *guard, struct guard_message *message, char *names)
{
    (void)message;
    (void)names;
    if (!guard->leaving)
        guard->leaving = SIGTERM;
    (void)notify_send("STOPPING=1");
}

static void told_upgrade(struct guard *guard, struct guard_message *message, char *names)
{
    int fd = guard_message_next(message);

    (void)names;
    if (fd < 0)
        return;
    trial_begin(&guard->trial, fd);
    guard->options.rolled_back = false;
}

static const struct {
    const char *verb;
    void (*told)(struct guard *guard, struct guard_message *message, char *names);
} verbs[] = {
    { "store", told_store }, { "drop", told_drop },       { "clear", told_clear },
    { "ready", told_ready }, { "leaving", told_leaving }, { "upgrade", told_upgrade },
};

void guard_obey(struct guard *guard, struct guard_message *message)
{
    char *names = message->text;
    const char *verb = strsep(&names, "\n");
    int fd;

    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verb, verbs[i].verb) == 0)
            verbs[i].told(guard, message, names);
    while ((fd = guard_message_next(message)) >= 0)
        (void)close(fd);
}
