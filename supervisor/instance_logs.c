/* Where what an instance prints is written, and in which form. */
#include "instance_logs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "credentials.h"
#include "fleet.h"
#include "instance_files.h"
#include "instance_probe.h"
#include "keeper_held.h"
#include "own.h"
#include "procfs.h"

static const char *suffix_of(bool err)
{
    return err ? "err" : "out";
}

/* --- what its streams ask and tell */

static void settings(const struct stream *stream, struct stream_settings *ret)
{
    const struct instance *i = stream->owner;
    const struct app *app = i->app;

    *ret = (struct stream_settings){
        .limits = { .max_size = app->log_max_size,
                    .keep = app->log_keep,
                    .compress = app->log_compress,
                    .stall_ms = app->log_stall_ms },
        .style = { .type = app->disable_logs ? LOG_TYPE_RAW : app->log_type,
                   .date_format = app->disable_logs ? NULL : app->log_date_format,
                   .app = app->name,
                   .process_id = i->id,
                   .err = stream == &i->err },
    };
}

static void moved(struct stream *stream, const char *bytes, size_t n)
{
    struct instance *i = stream->owner;

    if (bytes)
        instance_probe_lines(i, bytes, n);
    if (bytes && i->run)
        i->run->output(i->run, stream == &i->err, bytes, n);
    if (i->fleet->logged)
        i->fleet->logged(i->fleet, stream);
}

static const struct stream_kind kind = { .settings = settings, .moved = moved };

static void move_back(struct log_span *span, bool err, int64_t bytes)
{
    if (err) {
        span->err_from -= bytes;
        span->err_to -= bytes;
    } else {
        span->out_from -= bytes;
        span->out_to -= bytes;
    }
}

void instance_log_rotated(struct log_sinks *sinks, const struct log_sink *sink, int64_t bytes)
{
    const struct fleet *fleet = sinks->owner;

    for (size_t k = 0; k < fleet->count; k++) {
        struct instance *i = fleet->instances[k];
        struct stream *streams[] = { &i->out, &i->err };

        for (int err = 0; err < 2; err++) {
            if (!streams[err]->sink || log_sink_real(streams[err]->sink) != sink)
                continue;
            move_back(&i->span, err, bytes);
            for (unsigned n = 0; i->exits && n < EXITS_KEPT; n++)
                move_back(&i->exits[n].span, err, bytes);
        }
    }
}

/* --- where to */

static char *log_path(const struct instance *i, const char *given, const char *kind_of)
{
    bool several = !i->app->merge_logs &&
                   (sources_instances(&i->fleet->sources, i->app) > 1 || i->number > 0);
    char *path;
    int r;

    if (given)
        return strdup(given);
    if (several)
        r = asprintf(&path, "%s/%s-%d%s.log", i->fleet->log_folder, i->app->name, i->number,
                     kind_of);
    else
        r = asprintf(&path, "%s/%s%s.log", i->fleet->log_folder, i->app->name, kind_of);
    return r < 0 ? NULL : path;
}

/* What the manifest says. */
static char *wanted_log_path(const struct instance *i, bool err)
{
    if (i->app->disable_logs)
        return strdup("/dev/null");
    return err ? log_path(i, i->app->error_file, "-error") : log_path(i, i->app->out_file, "-out");
}

/* Of both streams; *ret NULL when there is to be none. Returns 0 or -ENOMEM. */
static int wanted_both_path(const struct instance *i, char **ret)
{
    if (!i->app->log_both || i->app->disable_logs)
        return 0;
    *ret = log_path(i, i->app->log_file, "");
    return *ret ? 0 : -ENOMEM;
}

char *instance_log_path(const struct instance *i, enum instance_log which)
{
    bool err = which == INSTANCE_LOG_ERR;
    const struct stream *stream = err ? &i->err : &i->out;
    char *path = NULL;

    if (which != INSTANCE_LOG_BOTH)
        return stream->sink ? strdup(stream_log_path(stream)) : wanted_log_path(i, err);
    if (stream->sink)
        return stream->both ? strdup(stream->both->path) : NULL;
    return wanted_both_path(i, &path) == 0 ? path : NULL;
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

/* --- opening and closing */

/* A keeper has the pipes where others find them from its first report on; until then the numbers
 * may be anything that opsd had when it forked. */
static int open_held(const struct instance *i, bool err)
{
    OWN(free) char *file = instance_file_name(i);
    struct keeper_report report = { .phase = KEEPER_WAITS };
    int r = file ? keepers_look_up(&i->fleet->keepers, file, &report) : -ENODATA;

    if (r == -ENODATA || (r == 0 && report.phase == KEEPER_WAITS))
        return -EAGAIN;
    return keeper_held_open(i->keeper_pid, i->keeper_start, err ? KEEPER_ERR_FD : KEEPER_OUT_FD);
}

/* The one that the process writes to, if there is a process: its keeper has it or, when that was
 * killed, the guard, who may not have heard the latest. */
static int open_pipe(struct instance *i, bool err, struct err *reterr)
{
    struct credentials who = { 0 };
    int fd = -ESRCH, r;

    if (i->keeper_pid && procfs_is_alive(i->keeper_pid, i->keeper_start))
        fd = open_held(i, err);
    if (fd == -EAGAIN)
        return err_set(reterr, fd, "its keeper has not reported yet");
    if (fd < 0)
        fd = instance_take_kept(i, suffix_of(err));
    if (fd >= 0)
        return fd;
    r = credentials_find(i->app->user, i->app->group, &who, reterr);
    if (r == 0)
        r = stream_make_pipe(who.uid, reterr);
    credentials_done(&who);
    return r;
}

static void close_stream(struct instance *i, struct stream *stream, const char *suffix)
{
    if (!i->keeper)
        instance_keep_no_more(i, suffix);
    stream_close(stream, i->keeper != NULL);
}

static bool logs_to(const struct log_sink *sink, const char *path)
{
    return sink && path ? strcmp(sink->path, path) == 0 : !sink && !path;
}

static int open_stream(struct instance *i, struct stream *stream, bool err, struct err *reterr)
{
    OWN(free) char *log = wanted_log_path(i, err);
    OWN(free) char *both = NULL;
    OWN(free) char *file = instance_file_name(i);
    OWN(free) char *name = NULL;
    struct stream_paths paths;
    int fd, r;

    stream->shows = i->run || i->app->ready == READY_LOG;
    if (!log || !file || wanted_both_path(i, &both) < 0 ||
        asprintf(&name, "%s.%s", file, suffix_of(err)) < 0)
        return err_set(reterr, -ENOMEM, "out of memory");
    log_path_tidy(log);
    if (both)
        log_path_tidy(both);
    if (stream->sink && logs_to(stream->sink, log) && logs_to(stream->both, both))
        return 0;
    /* The manifest names another file since. */
    if (stream->sink)
        close_stream(i, stream, suffix_of(err));
    fd = open_pipe(i, err, reterr);
    if (fd < 0)
        return fd;
    stream->kind = &kind;
    stream->owner = i;
    paths = (struct stream_paths){ .log = log, .both = both, .name = name };
    r = stream_open(stream, &i->fleet->pump, fd, &paths, reterr);
    if (r == 0)
        instance_keep(i, suffix_of(err), fd);
    return r;
}

int instance_open_logs(struct instance *i, struct err *reterr)
{
    int r = open_stream(i, &i->out, false, reterr);

    return r == 0 ? open_stream(i, &i->err, true, reterr) : r;
}

void instance_close_logs(struct instance *i)
{
    close_stream(i, &i->out, "out");
    close_stream(i, &i->err, "err");
}
