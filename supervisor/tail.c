/* Places in a log file. */
#include "tail.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "own.h"

enum {
    BLOCK = 16384,
    /* A longer line is looked at in pieces. */
    LINE_MAX_HERE = 4 << 20,
};

/* The last places of many. */
struct places {
    int64_t *at;
    size_t room, next, count;
    int64_t most;
};

int64_t tail_find(int fd, int64_t begin, int64_t end, int64_t n)
{
    char block[BLOCK];
    int64_t at = end;
    ssize_t got;

    if (n <= 0)
        return end;
    while (at > begin) {
        size_t want = at - begin < BLOCK ? (size_t)(at - begin) : BLOCK;

        at -= (int64_t)want;
        got = pread(fd, block, want, at);
        if (got < 0)
            return -errno;
        for (ssize_t i = got - 1; i >= 0; i--) {
            /* The newline that ends the last line begins no other. */
            if (block[i] == '\n' && at + i + 1 < end && --n == 0)
                return at + i + 1;
        }
    }
    return begin;
}

int64_t tail_skip(int fd, int64_t from, int64_t to, int64_t end, int64_t *ret_lines)
{
    int64_t at = from, lines = 0;
    char block[BLOCK];
    ssize_t got;

    while (at < end) {
        got = pread(fd, block, end - at < BLOCK ? (size_t)(end - at) : BLOCK, at);
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        for (ssize_t i = 0; i < got; i++) {
            if (block[i] != '\n')
                continue;
            lines++;
            if (at + i + 1 >= to) {
                *ret_lines = lines;
                return at + i + 1;
            }
        }
        at += got;
    }
    *ret_lines = lines;
    return at;
}

/* Doubles until there is room for the most that are wanted; then the oldest makes room. */
static int note_place(struct places *places, int64_t at)
{
    size_t room = places->room ? 2 * places->room : 64;
    int64_t *grown;

    if (places->count == places->room && (int64_t)places->room < places->most) {
        if ((int64_t)room > places->most)
            room = (size_t)places->most;
        grown = realloc(places->at, room * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        places->at = grown;
        places->room = room;
        places->next = places->count;
    }
    places->at[places->next] = at;
    places->next = (places->next + 1) % places->room;
    if (places->count < places->room)
        places->count++;
    return 0;
}

/* Looks at the whole lines at the start of bytes, which stand at that place of the file; rest says
 * that what remains is a line, too. Returns how many bytes those were, or a negative errno. */
static int64_t look_at_lines(const struct buf *bytes, int64_t at, const char *text, bool rest,
                             struct places *places)
{
    size_t n = strlen(text), from = 0;
    int r = 0;

    while (from < bytes->len && r == 0) {
        const char *line = bytes->p + from, *end = memchr(line, '\n', bytes->len - from);
        size_t length = end ? (size_t)(end - line) : bytes->len - from;

        if (!end && !rest)
            break;
        if (memmem(line, length, text, n))
            r = note_place(places, at + (int64_t)from);
        from += length + (end != NULL);
    }
    return r < 0 ? r : (int64_t)from;
}

static int look_at_all(int fd, int64_t at, int64_t end, const char *text, struct places *places)
{
    OWN_BUF struct buf bytes = { 0 };
    int64_t looked;
    ssize_t got;
    char *room;

    buf_init(&bytes, LINE_MAX_HERE + BLOCK);
    while (at + (int64_t)bytes.len < end) {
        int64_t left = end - at - (int64_t)bytes.len;

        room = buf_room(&bytes, BLOCK);
        if (!room)
            return -ENOMEM;
        got = pread(fd, room, left < BLOCK ? (size_t)left : BLOCK, at + (int64_t)bytes.len);
        if (got <= 0)
            return got < 0 ? -errno : 0;
        buf_grew(&bytes, (size_t)got);
        looked = look_at_lines(&bytes, at, text, got == left || bytes.len >= LINE_MAX_HERE, places);
        if (looked < 0)
            return (int)looked;
        buf_shift(&bytes, (size_t)looked);
        at += looked;
    }
    return 0;
}

int64_t tail_find_text(int fd, int64_t begin, int64_t end, const char *text, int64_t *n)
{
    struct places places = { .most = *n };
    int64_t found = end;
    int r = *n > 0 ? look_at_all(fd, begin, end, text, &places) : 0;

    if (places.count)
        found = places.at[places.count < places.room ? 0 : places.next];
    free(places.at);
    if (r < 0)
        return r;
    *n = (int64_t)places.count;
    return found;
}
