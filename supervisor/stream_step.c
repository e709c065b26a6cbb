/* One look at one stream. */
#include "stream_step.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "instant.h"
#include "lines.h"
#include "log.h"
#include "stream_derive.h"

enum {
    /* Where nobody asks for the bytes only the end is looked at: a line's end is there mostly. */
    TAIL_BYTES = 4096,
    SMALL_BYTES = 2 * TAIL_BYTES,
};

/* --- looking */

static size_t discard(struct pump *pump, int fd, size_t n)
{
    size_t done = 0;
    ssize_t gone;

    while (done < n) {
        gone = splice(fd, NULL, pump->null_fd, NULL, n - done, SPLICE_F_NONBLOCK);
        if (gone < 0 && errno == EINTR)
            continue;
        if (gone <= 0)
            break;
        done += (size_t)gone;
    }
    return done;
}

static bool pipe_is_full(const struct stream *stream)
{
    struct pollfd p = { .fd = stream->fd, .events = POLLOUT };

    return poll(&p, 1, 0) == 0;
}

/* How full the pipe was tells how long lines may gather. A pipe of pages in which no second line
 * had room is full before it holds as much as it could: worth asking where lines gathered. */
static void note_gathered(struct stream *stream, size_t n)
{
    struct log_gather *gather = &stream->pump->gather;
    bool first = stream->round != gather->round;

    if (first)
        stream->gathered = 0;
    stream->round = gather->round;
    stream->gathered += n;
    log_gather_saw(gather, (double)stream->gathered / stream->capacity);
    if (first && gather->ms > 0 && pipe_is_full(stream))
        log_gather_saw(gather, 1);
}

/* Duplicates what the pipe holds into the scratch pipe. */
static size_t duplicate(struct stream *stream)
{
    ssize_t n = tee(stream->fd, stream->pump->scratch[1], STREAM_LOOK_BYTES, SPLICE_F_NONBLOCK);

    return n > 0 ? (size_t)n : 0;
}

/* Reads the last of the n bytes that were duplicated, where they belong in pump->bytes. */
static void read_duplicate(struct pump *pump, size_t n, size_t last)
{
    size_t have = discard(pump, pump->scratch[0], n - last);
    ssize_t got;

    while (have < n) {
        got = read(pump->scratch[0], pump->bytes + have, n - have);
        if (got < 0 && errno == EINTR)
            continue;
        /* tee has just put n bytes there. */
        assert(got > 0);
        have += (size_t)got;
    }
}

size_t step_show(struct step *step)
{
    struct stream *stream = step->stream;
    size_t n = duplicate(stream);

    read_duplicate(stream->pump, n, n);
    note_gathered(stream, n);
    return n;
}

/* A character that is cut in two would be two that are none. */
static size_t whole_characters(const char *bytes, size_t n)
{
    size_t back = 1;

    while (back < 4 && back < n && ((unsigned char)bytes[n - back] & 0xc0) == 0x80)
        back++;
    return back < n && (unsigned char)bytes[n - back] >= 0xc0 ? n - back : n;
}

size_t step_whole_lines(const struct step *step, size_t n)
{
    const struct pump *pump = step->stream->pump;
    const char *end = memrchr(pump->bytes, '\n', n);

    if (end)
        return (size_t)(end - pump->bytes) + 1;
    if (step->drain)
        return n;
    return n >= pump->look || pipe_is_full(step->stream) ? whole_characters(pump->bytes, n) : 0;
}

/* --- a log that takes nothing */

/* A line about lost lines alone is not worth the room that it took: more are about to be lost. */
static void take_back_loss(struct log_sink *sink)
{
    struct log_stall *stall = &sink->stall;

    if (!stall->told || !sink->regular || sink->fd < 0 || sink->offset != stall->told_end ||
        ftruncate(sink->fd, stall->told_at) < 0)
        return;
    sink->offset = stall->told_at;
    sink->line_open = stall->told_within;
    log_stall_untold(stall);
}

void step_failed(const struct step *step, struct log_sink *sink, int error)
{
    sink = log_sink_real(sink);
    take_back_loss(sink);
    if (log_stall_failed(&sink->stall, error, step->now_ms))
        log_error("a log takes nothing; what is printed waits", LOG_TEXT("log", sink->path),
                  LOG_TEXT("why", strerror(error)));
}

void step_worked(struct log_sink *sink)
{
    sink = log_sink_real(sink);
    if (sink->stall.told)
        log_warn("a log goes on; lines were lost", LOG_TEXT("log", sink->path),
                 LOG_INT("lines", sink->stall.told));
    else if (sink->stall.error)
        log_info("a log goes on", LOG_TEXT("log", sink->path));
    log_stall_over(&sink->stall);
}

static int write_loss(struct step *step, struct log_sink *sink)
{
    OWN_BUF struct buf line = { 0 };
    OWN_BUF struct buf text = { 0 };
    struct log_lines lines = { .instant = instant_now() };
    int64_t at;
    int r;

    buf_init(&line, 1024);
    buf_init(&text, 8192);
    r = sink->line_open ? buf_add(&text, "\n", 1) : 0;
    if (r == 0)
        r = log_stall_print(&sink->stall, lines.instant, &line);
    lines.bytes = line.p;
    lines.n = line.len;
    if (r == 0 && line.len && log_format(&step->settings.style, &lines, INT64_MAX, &text) < 0)
        r = -ENOMEM;
    at = sink->offset;
    sink->stall.told_within = sink->line_open;
    if (r == 0 && line.len)
        r = log_sink_write(sink, text.p, text.len);
    if (r == 0)
        log_stall_told(&sink->stall, at, sink->offset);
    return r;
}

int step_try(struct step *step, struct log_sink *sink)
{
    struct log_sink *real = log_sink_real(sink);
    int r;

    if (step->held || !log_stall_may_try(&real->stall, step->now_ms))
        return -EAGAIN;
    r = log_sink_ready(sink);
    real = log_sink_real(sink);
    if (r == 0 && real->stall.lost)
        r = write_loss(step, real);
    if (r < 0)
        step_failed(step, real, -r);
    return r;
}

bool step_gives_up(const struct step *step, const struct log_sink *sink)
{
    return log_stall_drops(&sink->stall, step->settings.limits.stall_ms, step->now_ms);
}

bool step_drops(const struct step *step, const struct log_sink *sink)
{
    return step_gives_up(step, sink) && pipe_is_full(step->stream);
}

size_t step_discard(const struct step *step, size_t n)
{
    return discard(step->stream->pump, step->stream->fd, n);
}

/* --- lines that are written as they came */

/* Cuts n to what fits into the log, which is rotated when not even a line does. Returns 0 or a
 * negative errno. */
static int fit(struct step *step, struct log_sink *sink, size_t *n)
{
    const char *bytes = step->stream->pump->bytes, *end;
    int64_t room = log_sink_room(sink, &step->settings.limits);
    int r;

    if ((int64_t)*n <= room)
        return 0;
    if (sink->within == step->stream) {
        /* The rest of a line that has begun. */
        end = memchr(bytes, '\n', *n);
        *n = end ? (size_t)(end - bytes) + 1 : *n;
        return 0;
    }
    end = room > 0 ? memrchr(bytes, '\n', (size_t)room) : NULL;
    if (!end && sink->offset > 0) {
        r = log_sink_rotate(sink, &step->settings.limits);
        return r < 0 ? r : fit(step, log_sink_real(sink), n);
    }
    if (!end)
        end = memchr(bytes, '\n', *n);
    if (end)
        *n = (size_t)(end - bytes) + 1;
    return 0;
}

/* Returns how many bytes reached the file, fewer than n when it takes no more (*ret_error). */
static size_t move(struct stream *stream, struct log_sink *sink, size_t n, int *ret_error)
{
    size_t done = 0;
    ssize_t moved;
    loff_t at;

    *ret_error = 0;
    log_sink_note(sink);
    while (done < n) {
        at = sink->offset;
        moved = splice(stream->fd, NULL, sink->fd, sink->regular ? &at : NULL,
                       log_sink_piece(sink, at, n - done), SPLICE_F_NONBLOCK);
        if (moved < 0 && errno == EINTR)
            continue;
        if (moved <= 0) {
            *ret_error = moved < 0 ? errno : EIO;
            break;
        }
        if (sink->regular)
            sink->offset += moved;
        done += (size_t)moved;
    }
    return done;
}

/* What was shown is at the start of the pipe still; it may have been looked at in part only, and
 * is counted. */
static size_t drop(struct step *step, struct log_sink *sink, size_t n)
{
    struct stream *stream = step->stream;
    size_t gone, held;

    if (!step_drops(step, sink))
        return 0;
    held = duplicate(stream);
    read_duplicate(stream->pump, held, held);
    gone = step_discard(step, n < held ? n : held);
    log_stall_lose(&sink->stall, lines_count(stream->pump->bytes, gone), instant_now());
    stream_release(stream, sink);
    return gone;
}

/* Shows what may be looked at of the pipe, and finds out how much of it may go. */
static size_t show(struct step *step, const struct log_sink *sink, bool all, size_t *ret_lines)
{
    struct stream *stream = step->stream;
    struct pump *pump = stream->pump;
    size_t n = duplicate(stream), last = TAIL_BYTES;
    const char *end;

    note_gathered(stream, n);
    *ret_lines = 0;
    if (!n)
        return 0;
    if (all || n < SMALL_BYTES || (int64_t)n > log_sink_room(sink, &step->settings.limits))
        last = n;
    read_duplicate(pump, n, last);
    end = memrchr(pump->bytes + n - last, '\n', last);
    if (end) {
        *ret_lines = (size_t)(end - pump->bytes) + 1;
        return n;
    }
    if (last < n) {
        n = duplicate(stream);
        read_duplicate(pump, n, n);
    }
    *ret_lines = step_whole_lines(step, n);
    return n;
}

static void move_lines(struct step *step, struct log_sink *sink, size_t n, size_t *ret_done)
{
    int error, r;

    *ret_done = 0;
    r = fit(step, sink, &n);
    sink = log_sink_real(sink);
    if (r < 0) {
        step_failed(step, sink, -r);
        return;
    }
    *ret_done = move(step->stream, sink, n, &error);
    if (*ret_done)
        sink->line_open = *ret_done < n || step->stream->pump->bytes[n - 1] != '\n';
    if (error)
        step_failed(step, sink, error);
    else if (sink->stall.error)
        step_worked(sink);
}

static size_t raw_step(struct step *step, bool *ret_more)
{
    struct stream *stream = step->stream;
    bool works = step_try(step, stream->sink) == 0;
    struct log_sink *sink = log_sink_real(stream->sink);
    size_t lines, done = 0, shown = show(step, sink, stream->shows, &lines);

    if (lines && works)
        move_lines(step, sink, lines, &done);
    sink = log_sink_real(stream->sink);
    if (!done && lines && sink->stall.error) {
        stream->left = true;
        done = drop(step, sink, lines);
        *ret_more = done > 0;
        return done;
    }
    *ret_more = done && (done < lines || shown >= stream->pump->look || stream->left);
    stream->left = done < shown || sink->stall.lost;
    if (works && !lines && sink->stall.told)
        step_worked(sink);
    if (!done)
        return 0;
    if (sink->line_open && !step->drain)
        sink->within = stream;
    else
        stream_release(stream, sink);
    stream->kind->moved(stream, stream->shows ? stream->pump->bytes : NULL, done);
    return done;
}

/* --- both kinds */

/* Another's line stands open in that file. */
static bool is_held(const struct stream *stream, struct log_sink *sink)
{
    const void *within = sink ? log_sink_real(sink)->within : NULL;

    return within && within != stream;
}

void stream_release(struct stream *stream, struct log_sink *sink)
{
    if (sink->within != stream)
        return;
    sink->within = NULL;
    for (struct stream *s = stream->pump->streams; s; s = s->next)
        if (s != stream &&
            (log_sink_real(s->sink) == sink || (s->both && log_sink_real(s->both) == sink)))
            stream_queue(s);
}

size_t stream_step(struct stream *stream, bool drain, bool *ret_more)
{
    struct step step = { .stream = stream, .drain = drain };
    size_t done;

    *ret_more = false;
    step.held = !drain && (is_held(stream, stream->sink) || is_held(stream, stream->both));
    /* Nobody waits for the end of a line that a full disk does not take. */
    if (step.held && !log_sink_real(stream->sink)->stall.error)
        return 0;
    step.now_ms = (int64_t)monotonic_now_ms();
    stream->kind->settings(stream, &step.settings);
    if (derive_wanted(stream, &step.settings))
        done = derive_step(&step, ret_more);
    else
        done = raw_step(&step, ret_more);
    if (done)
        stream->pump->again_ms = STREAM_AGAIN_FIRST_MS;
    return done;
}
