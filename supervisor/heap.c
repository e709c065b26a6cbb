/* Whether a forked child gets the heap. */
#include "heap.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "own.h"

/* So much that is free is worth the walk through the heap. */
enum { TRIM_BYTES = 256 << 10 };

static char *heap_begin; /* NULL: not known, and then the heap always comes along */

/* The 47th field of proc(5)'s stat is where the heap begins. */
static uintptr_t read_start_brk(void)
{
    OWN(close) int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    unsigned long start = 0;
    char text[1024], *p;
    ssize_t n;

    n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    p = strrchr(text, ')');
    for (int field = 2; p && field < 47; field++)
        p = strchr(p + 1, ' ');
    return p && sscanf(p, " %lu", &start) == 1 ? start : 0;
}

void heap_init(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = read_start_brk();

    (void)mallopt(M_MMAP_MAX, 0);
    /* The page in which it begins may hold static data, too. */
    start = (start + page - 1) / page * page;
    heap_begin = start ? (char *)sbrk(0) - ((uintptr_t)sbrk(0) - start) : NULL;
}

static void advise(int advice)
{
    char *end = sbrk(0);

    if (heap_begin && end > heap_begin)
        (void)madvise(heap_begin, (size_t)(end - heap_begin), advice);
}

void heap_trim(void)
{
    if (mallinfo2().fordblks >= TRIM_BYTES)
        (void)malloc_trim(0);
}

void heap_stay_behind(void)
{
    advise(MADV_DONTFORK);
}

/* What has no initial value, end(3). Its first page may hold what has one, and gets it back. */
extern char __bss_start, end;

void heap_forget_statics(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)&__bss_start / page * page;
    uintptr_t last = ((uintptr_t)&end + page - 1) / page * page;

    if (last > first)
        (void)madvise((void *)first, last - first, MADV_DONTNEED);
}

void heap_come_along(void)
{
    advise(MADV_DOFORK);
}
