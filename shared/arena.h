#ifndef OPS_ARENA_H
#define OPS_ARENA_H
/*
 * Memory with one lifetime: many small allocations, all released at once.
 *
 * For what is built together and dropped together (a manifest, a batch). Nothing is freed singly,
 * so what lives in an arena may point at anything else in it.
 */
#include <stddef.h>

struct arena;

/* An arena that will hand out at most max bytes. NULL when there is no memory. */
struct arena *arena_new(size_t max);

/* Releases everything that came from it; accepts NULL. */
void arena_free(struct arena *arena);

/* n zeroed bytes, aligned for any type; NULL when there is no memory or max would be passed. */
void *arena_alloc(struct arena *arena, size_t n);

/* The same for count things of size bytes each; count * size may overflow. */
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);

/* A copy of n bytes with '\0' after them, or NULL. */
char *arena_text(struct arena *arena, const char *bytes, size_t n);

#endif
