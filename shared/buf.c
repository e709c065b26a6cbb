/* A byte buffer that grows up to a stated limit. */
#include "buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){ .max = max };
}

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){ .max = b->max };
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    if (b->p)
        b->p[0] = '\0';
}

/* Makes cap at least need + 1 (the final '\0'), doubling so that many small adds stay cheap. */
static int buf_reserve(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : BUF_FIRST;
    char *p;

    if (need > b->max)
        return -EMSGSIZE;
    if (b->p && need + 1 <= b->cap)
        return 0;
    while (cap < need + 1)
        cap *= 2;
    p = realloc(b->p, cap);
    if (!p)
        return -ENOMEM;
    b->p = p;
    b->cap = cap;
    return 0;
}

int buf_add(struct buf *b, const void *bytes, size_t n)
{
    int r;

    if (n > b->max - b->len)
        return -EMSGSIZE;
    r = buf_reserve(b, b->len + n);
    if (r < 0)
        return r;
    if (n)
        memcpy(b->p + b->len, bytes, n);
    b->len += n;
    b->p[b->len] = '\0';
    return 0;
}

int buf_add_text(struct buf *b, const char *text)
{
    return buf_add(b, text, strlen(text));
}

/* Into what room there is; most texts fit, so they are made once only. */
int buf_printf(struct buf *b, const char *format, ...)
{
    size_t spare = b->cap - b->len;
    va_list arguments;
    char *room;
    int n;

    va_start(arguments, format);
    n = vsnprintf(b->p ? b->p + b->len : NULL, spare, format, arguments);
    va_end(arguments);
    if (n >= 0 && (size_t)n < spare && (size_t)n <= b->max - b->len) {
        b->len += (size_t)n;
        return 0;
    }
    if (b->p)
        b->p[b->len] = '\0';
    if (n < 0)
        return -EINVAL;
    if ((size_t)n > b->max - b->len)
        return -EMSGSIZE;
    room = buf_room(b, (size_t)n);
    if (!room)
        return -ENOMEM;
    va_start(arguments, format);
    (void)vsnprintf(room, (size_t)n + 1, format, arguments);
    va_end(arguments);
    buf_grew(b, (size_t)n);
    return 0;
}

char *buf_room(struct buf *b, size_t n)
{
    if (n > b->max - b->len || buf_reserve(b, b->len + n) < 0)
        return NULL;
    return b->p + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
    b->len += n;
    b->p[b->len] = '\0';
}

void buf_shift(struct buf *b, size_t n)
{
    if (!n)
        return;
    memmove(b->p, b->p + n, b->len - n + 1);
    b->len -= n;
}

char *buf_take(struct buf *b)
{
    char *taken = b->p;

    b->p = NULL;
    b->len = b->cap = 0;
    return taken;
}
