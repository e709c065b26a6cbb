#ifndef OPS_HEAP_H
#define OPS_HEAP_H
/*
 * Whether a forked child gets the heap, what is static, and the libraries that only opsd calls.
 *
 * A keeper lives as long as its worker. With the heap it would keep alive every version of its
 * pages that opsd has written since (some megabytes for each of a thousand keepers), and each fork
 * would copy page tables and mappings that nobody needs, and have opsd copy each page that it
 * writes to next. So these stay behind (MADV_DONTFORK, madvise(2)), and what a keeper does need
 * comes in a block of its own (launch.h).
 */
#include <stddef.h>

/* No page is larger. */
enum { HEAP_PAGE_BYTES = 64 << 10 };

/* Has malloc take all memory from the heap, and none from mappings of its own. Once, at the start.
 */
void heap_init(void);

/* Gives back what a large piece of work left, if it was one. */
void heap_trim(void);

/* For the next fork: the child must not touch anything that malloc gave, nor what is static without
 * an initial value but for the n bytes at kept, whole pages which are such and always the same; and
 * it calls nothing but the C library. */
void heap_stay_behind(char *kept, size_t n);

/* For the next fork: the child has it all. */
void heap_come_along(void);

#endif
