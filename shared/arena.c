/* Memory with one lifetime: a list of blocks, filled from the front, freed together. */
#include "arena.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* A page with malloc's own header, so that a small arena costs one page. */
enum { ARENA_BLOCK = 4096 - 64 };

struct block {
    struct block *next;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

struct arena {
    struct block *blocks; /* the one that is being filled comes first */
    size_t left;
};

struct arena *arena_new(size_t max)
{
    struct arena *arena = calloc(1, sizeof *arena);

    if (arena)
        arena->left = max;
    return arena;
}

void arena_free(struct arena *arena)
{
    struct block *next;

    if (!arena)
        return;
    for (struct block *block = arena->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    free(arena);
}

/* Adds a block with room for n. Each is twice the one before, so that a big arena is few blocks. */
static struct block *arena_grow(struct arena *arena, size_t n)
{
    size_t size = arena->blocks ? arena->blocks->size * 2 : ARENA_BLOCK;
    struct block *block;

    if (size > arena->left)
        size = arena->left;
    if (size < n)
        size = n;
    block = calloc(1, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = size;
    block->next = arena->blocks;
    arena->blocks = block;
    return block;
}

void *arena_alloc(struct arena *arena, size_t n)
{
    const size_t unit = alignof(max_align_t);
    struct block *block = arena->blocks;
    void *p;

    if (n > arena->left - arena->left % unit)
        return NULL;
    n = (n + unit - 1) / unit * unit;
    if (!block || block->size - block->used < n)
        block = arena_grow(arena, n);
    if (!block)
        return NULL;
    p = block->bytes + block->used;
    block->used += n;
    arena->left -= n;
    return p;
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t n;

    return __builtin_mul_overflow(count, size, &n) ? NULL : arena_alloc(arena, n);
}

char *arena_text(struct arena *arena, const char *bytes, size_t n)
{
    char *text = n < arena->left ? arena_alloc(arena, n + 1) : NULL;

    if (text && n)
        memcpy(text, bytes, n);
    return text;
}
