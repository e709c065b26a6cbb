#ifndef OPS_LOG_VIEW_H
#define OPS_LOG_VIEW_H
/*
 * What a client is shown of some logs: their last lines, then what is added to them.
 *
 * The files are the only source and the only buffer: each view has a place in each log and moves on
 * when the client has read what it was sent. So a slow client delays nobody, and one that falls
 * BEHIND_MAX behind is told how many lines it missed. Where to begin may take reading all of a
 * log: that is looked for by libuv's threads, and the view waits meanwhile.
 */
#include "control.h"
#include "log_source.h"

enum { FILE_ID_MAX = 48 };

enum search { SEARCH_NONE, SEARCH_BEGINNING, SEARCH_NEXT_LINE };

/* One log being read. */
struct log_view_source {
    struct log_source log;
    /* While a thread looks for a new place only it touches the log, and these. */
    enum search search;
    int64_t skipped;
    bool err;
    int number;
    char *name;
    char told[FILE_ID_MAX]; /* the file that the client was told of */
};

struct log_view {
    struct attachment attachment;
    struct connection *connection;
    bool follow;
    bool places;    /* the client is to be told where in which file it is */
    bool searching; /* a thread looks for places */
    bool stale;     /* something was written meanwhile */
    struct log_search wanted;
    char *text; /* what wanted.text is */
    int64_t sent;
    struct buf block;
    uv_work_t work;
    size_t count;
    struct log_view_source sources[];
};

/* A quarter of our descriptors: the workers need theirs. */
bool log_view_may_open(size_t n);

/* Of up to `most` logs, none yet. NULL: out of memory. */
struct log_view *log_view_new(struct connection *connection, const struct log_search *wanted,
                              size_t most);

/* Takes a log over, and its name. Returns it where it is from now on. */
struct log_view_source *log_view_add(struct log_view *view, const struct log_view_source *source);

/* Answers the request of that id: from now on the view goes when its connection does, or when all
 * is sent. */
void log_view_begin(struct log_view *view, const cJSON *id);

/* For one that was not begun. */
void log_view_free(struct log_view *view);

/* The parts that are not read any more are closed. */
void log_view_trim(struct log_view_source *source);

/* "out" or "err". */
const char *log_view_stream(const struct log_view_source *source);

/* What a file is called in "source" and "from": its name may be another's by then. */
void log_view_file_id(const struct log_part *part, char id[static FILE_ID_MAX]);

#endif
