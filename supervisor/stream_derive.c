/* Lines that are not written as they came. */
#include "stream_derive.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "instant.h"
#include "lines.h"
#include "log_spool.h"
#include "own.h"

enum {
    /* JSON makes six bytes of one at worst, and frames each. */
    TEXT_MAX = 256 << 20,
};

/* A batch is taken from the pipe as a whole, and then belongs in each of the logs. */
struct derivation {
    struct log_spool spool;
    bool pending;          /* a batch was taken, and is not in all of them yet */
    bool found;            /* by an opsd before us, which may have written it already */
    bool done[LOG_PLACES]; /* it is in that one, or was given up */
    bool within;           /* the next one begins within a line */
    int64_t lines;         /* of the pending batch */
    struct buf text;       /* of it; empty: not formatted yet */
    struct buf raw;        /* what is in the spool of it, and what is kept */
    size_t kept;           /* the last bytes of raw, with which the next batch begins */
};

static struct log_sink *target(const struct stream *stream, int i)
{
    return i == 0 ? stream->sink : stream->both;
}

static size_t whole(const struct derivation *d)
{
    return d->raw.len - d->kept;
}

bool derive_wanted(const struct stream *stream, const struct stream_settings *settings)
{
    const struct derivation *d = stream->derivation;

    return stream->both || !log_style_is_raw(&settings->style) ||
           (d && (d->pending || d->kept || d->within));
}

static int derivation_new(struct stream *stream, bool create)
{
    struct derivation *d = calloc(1, sizeof *d);
    int r = d ? log_spool_open(&d->spool, stream->pump->home_fd, stream->name, create) : -ENOMEM;

    if (r < 0) {
        free(d);
        return r;
    }
    buf_init(&d->text, TEXT_MAX);
    buf_init(&d->raw, TEXT_MAX);
    d->within = d->spool.batch.within;
    stream->derivation = d;
    return 0;
}

void derive_close(struct stream *stream, bool stays)
{
    struct derivation *d = stream->derivation;

    if (!d)
        return;
    log_spool_close(&d->spool, stream->pump->home_fd, stream->name, !stays);
    buf_done(&d->text);
    buf_done(&d->raw);
    free(d);
    stream->derivation = NULL;
}

/* A batch that was not taken as a whole has an end within a line: that waits for the rest. */
static void find_whole(struct derivation *d)
{
    const struct log_batch *batch = &d->spool.batch;
    const char *end = d->raw.len ? memrchr(d->raw.p, '\n', d->raw.len) : NULL;

    d->kept = 0;
    if ((int64_t)d->raw.len < batch->length || !batch->length)
        d->kept = end ? d->raw.len - (size_t)(end + 1 - d->raw.p) : d->raw.len;
    d->pending = whole(d) > 0;
    d->lines = d->pending ? lines_count(d->raw.p, whole(d)) : 0;
}

int derive_recover(struct stream *stream)
{
    int r = derivation_new(stream, false);
    struct derivation *d = stream->derivation;

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    r = log_spool_read(&d->spool, &d->raw);
    if (r < 0) {
        derive_close(stream, true);
        return r;
    }
    find_whole(d);
    d->found = d->pending;
    stream->left = d->pending;
    return 0;
}

/* --- writing what was taken */

static int format_pending(const struct step *step, struct derivation *d)
{
    const struct log_batch *batch = &d->spool.batch;
    struct log_lines lines = {
        .bytes = d->raw.p, .n = whole(d), .instant = batch->instant, .within = batch->within
    };

    if (d->text.len)
        return 0;
    if (log_format(&step->settings.style, &lines, INT64_MAX, &d->text) < 0)
        return -ENOMEM;
    if (lines.within && batch->closes) {
        lines.within = false;
        if (log_format_end(&step->settings.style, &d->text) < 0)
            return -ENOMEM;
    }
    d->within = lines.within;
    return 0;
}

/* Where the batch was about to be written, when that is the same file still. */
static bool go_back(const struct derivation *d, int i, struct log_sink *sink)
{
    const struct log_place *place = &d->spool.batch.places[i];

    if (!d->found || place->device != sink->device || place->inode != sink->inode ||
        place->at > sink->offset)
        return false;
    sink->offset = place->at;
    return true;
}

/* Says in the spool where the batch goes, unless it is said already. */
static int note_place(struct derivation *d, int i, const struct log_sink *sink)
{
    struct log_place *place = &d->spool.batch.places[i];

    if (place->device == sink->device && place->inode == sink->inode && place->at == sink->offset)
        return 0;
    *place = (struct log_place){ sink->device, sink->inode, sink->offset };
    return log_spool_note(&d->spool);
}

static int write_target(struct step *step, struct derivation *d, int i, const struct buf *text)
{
    struct log_sink *sink = target(step->stream, i);
    int64_t end;
    int r = step_try(step, sink);

    if (r < 0)
        return r;
    sink = log_sink_real(sink);
    end = sink->offset;
    if (!go_back(d, i, sink))
        r = note_place(d, i, sink);
    if (r == 0)
        r = log_sink_write(sink, text->p, text->len);
    if (r < 0) {
        step_failed(step, sink, -r);
        return r;
    }
    /* Others may have gone on behind it since. */
    if (sink->offset < end)
        sink->offset = end;
    step_worked(sink);
    return 0;
}

static void hold(struct stream *stream, bool within)
{
    for (int i = 0; i < LOG_PLACES; i++) {
        struct log_sink *sink = target(stream, i) ? log_sink_real(target(stream, i)) : NULL;

        if (sink && within)
            sink->within = stream;
        else if (sink)
            stream_release(stream, sink);
    }
}

/* Writes text to the logs that do not have it. Returns true when that is settled for all. */
static bool write_targets(struct step *step, struct derivation *d, const struct buf *text)
{
    bool all = true;

    for (int i = 0; i < LOG_PLACES; i++) {
        struct log_sink *sink = target(step->stream, i);

        if (!sink || d->done[i])
            continue;
        d->done[i] = write_target(step, d, i, text) == 0;
        sink = log_sink_real(sink);
        if (!d->done[i] && step_gives_up(step, sink)) {
            log_stall_lose(&sink->stall, d->lines, instant_now());
            d->done[i] = true;
        }
        all &= d->done[i];
    }
    return all;
}

/* One text is made at a time, mostly, so they share their memory. */
static void take_room(struct pump *pump, struct derivation *d)
{
    if (d->text.p || !pump->text.p)
        return;
    d->text = pump->text;
    buf_init(&pump->text, TEXT_MAX);
}

static void give_room(struct pump *pump, struct derivation *d)
{
    if (pump->text.p) {
        buf_done(&d->text);
        return;
    }
    buf_clear(&d->text);
    pump->text = d->text;
    buf_init(&d->text, TEXT_MAX);
}

static void settle(struct step *step, struct derivation *d)
{
    size_t gone = whole(d);

    (void)log_spool_done(&d->spool, (int64_t)d->kept, d->within);
    if (gone)
        buf_shift(&d->raw, gone);
    if (!d->raw.len)
        buf_done(&d->raw);
    give_room(step->stream->pump, d);
    d->pending = d->found = false;
    memset(d->done, 0, sizeof d->done);
    hold(step->stream, d->within);
}

/* Returns whether the pending batch is out of the way. */
static bool finish(struct step *step, struct derivation *d)
{
    if (format_pending(step, d) < 0 || !write_targets(step, d, &d->text))
        return false;
    settle(step, d);
    step->stream->kind->moved(step->stream, NULL, 0);
    return true;
}

/* --- a new one */

/* The logs that can be written to now. */
struct ready {
    struct log_sink *sinks[LOG_PLACES];
};

static bool get_ready(struct step *step, struct ready *ready)
{
    bool any = false;

    *ready = (struct ready){ 0 };
    for (int i = 0; i < LOG_PLACES; i++) {
        struct log_sink *sink = target(step->stream, i);

        if (!sink || step_try(step, sink) < 0)
            continue;
        ready->sinks[i] = log_sink_real(sink);
        any = true;
    }
    return any;
}

/* The one with the least room, of those that have anything in them. */
static struct log_sink *fullest(const struct step *step, const struct ready *ready,
                                int64_t *ret_room)
{
    struct log_sink *found = NULL;

    *ret_room = INT64_MAX;
    for (int i = 0; i < LOG_PLACES; i++) {
        struct log_sink *sink = ready->sinks[i];
        int64_t room = sink ? log_sink_room(sink, &step->settings.limits) : INT64_MAX;

        if (room < *ret_room)
            *ret_room = room;
        if (sink && sink->offset > 0 && room < INT64_MAX &&
            (!found || room < log_sink_room(found, &step->settings.limits)))
            found = sink;
    }
    return found;
}

/* Formats as many of the lines as have room, and makes room when not even one has. Returns how many
 * bytes of the lines that is, or a negative errno. */
static int64_t format_lines(const struct step *step, struct derivation *d, struct ready *ready,
                            const char *raw, size_t n)
{
    struct log_lines lines = { .bytes = raw, .n = n, .instant = d->spool.batch.instant };
    struct log_sink *full;
    int64_t room, taken;
    int r;

    for (;;) {
        full = fullest(step, ready, &room);
        lines.within = d->within;
        lines.at_least_one = !full || d->within;
        taken = log_format(&step->settings.style, &lines, room, &d->text);
        if (taken != 0)
            break;
        r = log_sink_rotate(full, &step->settings.limits);
        if (r < 0) {
            step_failed(step, full, -r);
            return r;
        }
    }
    d->within = lines.within;
    return taken;
}

/* Notes where the text goes and takes the lines from the pipe. Returns how many bytes it took. */
static int64_t take(const struct step *step, struct derivation *d, const struct ready *ready,
                    int64_t n)
{
    int64_t took;

    for (int i = 0; i < LOG_PLACES; i++) {
        const struct log_sink *sink = ready->sinks[i];

        if (sink)
            d->spool.batch.places[i] = (struct log_place){ sink->device, sink->inode,
                                                           sink->offset };
    }
    took = log_spool_take(&d->spool, step->stream->fd, step->stream->pump->bytes, n);
    if (took < 0)
        step_failed(step, step->stream->sink, (int)-took);
    return took;
}

/* Nobody takes them, and their writer waits. */
static size_t drop(struct step *step, struct derivation *d, size_t n)
{
    struct stream *stream = step->stream;
    int64_t lines = lines_count(stream->pump->bytes, n);
    size_t gone;

    stream->left = true;
    if (!step_drops(step, log_sink_real(stream->sink)))
        return 0;
    gone = step_discard(step, n);
    for (int i = 0; i < LOG_PLACES; i++)
        if (target(stream, i))
            log_stall_lose(&log_sink_real(target(stream, i))->stall, lines, instant_now());
    d->kept = d->raw.len = 0;
    d->within = false;
    settle(step, d);
    return gone;
}

/* The bytes of the next batch: what was kept, and n that are shown. */
static const char *gather(struct step *step, struct derivation *d, size_t n)
{
    if (!d->kept)
        return step->stream->pump->bytes;
    return buf_add(&d->raw, step->stream->pump->bytes, n) < 0 ? NULL : d->raw.p;
}

/* Takes n bytes behind the kept ones from the pipe and writes them. Returns how many it took. */
static size_t new_batch(struct step *step, struct derivation *d, size_t n)
{
    struct stream *stream = step->stream;
    struct log_batch *batch = &d->spool.batch;
    size_t kept = d->kept;
    const char *raw = gather(step, d, n);
    struct ready ready;
    int64_t taken, took;

    take_room(stream->pump, d);
    batch->instant = instant_now();
    batch->within = d->within;
    taken = get_ready(step, &ready) && raw ? format_lines(step, d, &ready, raw, kept + n) : -EAGAIN;
    if (taken < (int64_t)kept) {
        d->raw.len = kept;
        give_room(stream->pump, d);
        return 0;
    }
    batch->length = taken;
    batch->closes = step->drain && d->within && taken == (int64_t)(kept + n);
    if (batch->closes && log_format_end(&step->settings.style, &d->text) == 0)
        d->within = false;
    took = take(step, d, &ready, taken - (int64_t)kept);
    d->lines = lines_count(raw, (size_t)taken);
    d->raw.len = kept;
    if (took <= 0) {
        d->within = batch->within;
        give_room(stream->pump, d);
        return 0;
    }
    d->pending = true;
    if (took < taken - (int64_t)kept) {
        /* What is there of it is as good as found. */
        buf_clear(&d->text);
        d->raw.len = 0;
        d->within = batch->within;
        if (log_spool_read(&d->spool, &d->raw) == 0)
            find_whole(d);
        return (size_t)took;
    }
    d->kept = d->raw.len = 0;
    if (write_targets(step, d, &d->text))
        settle(step, d);
    stream->kind->moved(stream, stream->shows ? stream->pump->bytes : NULL, (size_t)took);
    return (size_t)took;
}

/* Lines were lost, and one of the logs does not say so yet. */
static bool owes_a_word(const struct stream *stream)
{
    for (int i = 0; i < LOG_PLACES; i++)
        if (target(stream, i) && log_sink_real(target(stream, i))->stall.lost)
            return true;
    return false;
}

size_t derive_step(struct step *step, bool *ret_more)
{
    struct stream *stream = step->stream;
    struct derivation *d;
    size_t shown, n, took;
    int r = stream->derivation ? 0 : derivation_new(stream, true);

    stream->left = true;
    if (r < 0) {
        step_failed(step, stream->sink, -r);
        return 0;
    }
    d = stream->derivation;
    if (d->pending && !finish(step, d))
        return 0;
    shown = step_show(step);
    n = shown ? step_whole_lines(step, shown) : 0;
    if (!n && owes_a_word(stream) && step_try(step, stream->sink) == 0)
        step_worked(stream->sink);
    took = n ? new_batch(step, d, n) : 0;
    if (!took && n)
        took = drop(step, d, n);
    *ret_more = took && (took < n || shown >= stream->pump->look);
    stream->left = took < shown || d->pending || owes_a_word(stream);
    return took;
}
