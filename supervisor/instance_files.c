/* What an instance has in the home, and where what it prints is written. */
#include "instance_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "credentials.h"
#include "fleet.h"
#include "guard_link.h"
#include "instance_notify.h"
#include "instance_probe.h"
#include "own.h"
#include "procfs.h"

char *instance_file_name(const struct instance *i)
{
    char *name;
    int r;

    if (i->run)
        r = asprintf(&name, "~run-%d", i->id);
    else if (i->variant)
        r = asprintf(&name, "%s-%d~%d", i->app->name, i->number, i->variant);
    else
        r = asprintf(&name, "%s-%d", i->app->name, i->number);
    return r < 0 ? NULL : name;
}

static char *stored_name(const struct instance *i, const char *suffix)
{
    OWN(free) char *name = instance_file_name(i);
    char *stored;

    return name && asprintf(&stored, "%s.%s", name, suffix) >= 0 ? stored : NULL;
}

/* --- what the guard keeps, for an opsd that comes after a crash */

void instance_keep(struct instance *i, const char *suffix, int fd)
{
    OWN(free) char *name = stored_name(i, suffix);

    if (name && i->fleet->link)
        (void)guard_link_store(i->fleet->link, (const char *const[]){ name }, &fd, 1);
}

void instance_keep_no_more(struct instance *i, const char *suffix)
{
    OWN(free) char *name = stored_name(i, suffix);

    if (name && i->fleet->link)
        guard_link_drop(i->fleet->link, name);
}

int instance_take_kept(struct instance *i, const char *suffix)
{
    OWN(free) char *name = stored_name(i, suffix);

    return name && i->fleet->link ? guard_link_take(i->fleet->link, name) : -1;
}

/* --- closing; the names stay while a process of it runs, which is then somebody else's to adopt */

static void close_notify(struct instance *i)
{
    watch_close(&i->notify_watch);
    if (i->notify_fd < 0)
        return;
    if (!i->keeper)
        instance_keep_no_more(i, "notify");
    (void)close(i->notify_fd);
    i->notify_fd = -1;
}

static void close_stream(struct instance *i, struct stream *stream, const char *suffix)
{
    if (!i->keeper)
        instance_keep_no_more(i, suffix);
    stream_close(stream);
}

struct log_span instance_span(const struct instance *i)
{
    struct log_span span = i->span;

    if (i->out.sink)
        span.out_to = stream_log_offset(&i->out);
    if (i->err.sink)
        span.err_to = stream_log_offset(&i->err);
    return span;
}

static void moved(struct stream *stream, const char *bytes, size_t n)
{
    struct instance *i = stream->owner;

    instance_probe_lines(i, bytes, n);
    if (i->run)
        i->run->output(i->run, stream == &i->err, bytes, n);
    if (i->fleet->logged)
        i->fleet->logged(i->fleet, stream);
}

/* What the manifest says. */
static char *wanted_log_path(const struct instance *i, bool err)
{
    const char *given = err ? i->app->error_file : i->app->out_file;
    const char *kind = err ? "error" : "out";
    char *path;
    int r;

    if (i->app->disable_logs)
        return strdup("/dev/null");
    if (given)
        return strdup(given);
    if (sources_instances(&i->fleet->sources, i->app) > 1 || i->number > 0)
        r = asprintf(&path, "%s/%s-%d-%s.log", i->fleet->log_folder, i->app->name, i->number, kind);
    else
        r = asprintf(&path, "%s/%s-%s.log", i->fleet->log_folder, i->app->name, kind);
    return r < 0 ? NULL : path;
}

char *instance_log_path(const struct instance *i, bool err)
{
    const struct stream *stream = err ? &i->err : &i->out;

    return stream->sink ? strdup(stream_log_path(stream)) : wanted_log_path(i, err);
}

/* --- opening */

/* A keeper has the pipes where others find them from its first report on; until then the numbers
 * may be anything that opsd had when it forked. */
static int open_held(const struct instance *i, bool err)
{
    OWN(free) char *file = instance_file_name(i);
    struct keeper_report report;

    if (!file || keepers_look_up(&i->fleet->keepers, file, &report) == -ENODATA)
        return -EAGAIN;
    return keepers_open_held(i->keeper_pid, i->keeper_start, err ? KEEPER_ERR_FD : KEEPER_OUT_FD);
}

/* The one that the process writes to, if there is a process: from the guard or, when that was
 * killed as well, from the keeper. */
static int open_pipe(struct instance *i, bool err, struct err *reterr)
{
    struct credentials who = { 0 };
    int fd = instance_take_kept(i, err ? "err" : "out"), r;

    if (fd < 0 && procfs_is_alive(i->keeper_pid, i->keeper_start))
        fd = open_held(i, err);
    if (fd >= 0)
        return fd;
    if (fd == -EAGAIN)
        return err_set(reterr, fd, "its keeper has not reported yet");
    r = credentials_find(i->app->user, i->app->group, &who, reterr);
    if (r == 0)
        r = stream_make_pipe(who.uid, reterr);
    credentials_done(&who);
    return r;
}

static int open_stream(struct instance *i, struct stream *stream, bool err, struct err *reterr)
{
    const char *suffix = err ? "err" : "out";
    OWN(free) char *log = wanted_log_path(i, err);
    int fd;

    if (!log)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (stream->sink && strcmp(stream_log_path(stream), log) == 0)
        return 0;
    /* The manifest names another file since. */
    close_stream(i, stream, suffix);
    fd = open_pipe(i, err, reterr);
    if (fd < 0)
        return fd;
    instance_keep(i, suffix, fd);
    stream->moved = moved;
    stream->owner = i;
    return stream_open(stream, &i->fleet->pump, fd, log, reterr);
}

static int open_notify(struct instance *i, struct err *reterr)
{
    int r;

    if (i->notify_fd >= 0)
        return 0;
    i->notify_fd = i->notify_address[0] ? instance_take_kept(i, "notify") : -1;
    if (i->notify_fd < 0)
        i->notify_fd = notify_socket_open(i->notify_address, reterr);
    if (i->notify_fd < 0)
        return i->notify_fd;
    instance_keep(i, "notify", i->notify_fd);
    r = watch_open(i->fleet->loop, i->notify_fd, instance_notified, i, &i->notify_watch);
    if (r < 0)
        close_notify(i);
    return r < 0 ? err_set(reterr, r, "cannot watch the notify socket: %s", strerror(-r)) : 0;
}

int instance_open_files(struct instance *i, struct err *reterr)
{
    int r;

    r = open_stream(i, &i->out, false, reterr);
    if (r == 0)
        r = open_stream(i, &i->err, true, reterr);
    if (r == 0)
        r = open_notify(i, reterr);
    return r;
}

void instance_close_files(struct instance *i)
{
    close_stream(i, &i->out, "out");
    close_stream(i, &i->err, "err");
    close_notify(i);
}
