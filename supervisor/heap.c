/* Whether a forked child gets the heap, and the libraries that only opsd calls. */
#include "heap.h"

#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "own.h"

/* So much that is free is worth the walk through the heap. */
enum { TRIM_BYTES = 256 << 10 };

/* Of the libraries that opsd is linked with, those that a keeper never calls. Each is five
 * mappings, and together they are more than a third of all that fork(2) would have to copy. */
static const struct library {
    const char *name; /* how its file's begins */
    bool left;
} libraries[] = {
    { "libuv.so", true }, { "libcjson.so", true }, { "libz.so", true },
    { "libc.so", false }, { "ld-linux", false },   { "linux-vdso", false },
};

enum { LIBRARIES = sizeof libraries / sizeof *libraries };

static char *heap_begin; /* NULL: not known, and then the heap always comes along */

static struct {
    struct mapped {
        char *begin, *end;
    } mapped[LIBRARIES]; /* those that are left behind */
    size_t count;
    int advice;
} left;

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

static const struct library *library_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < LIBRARIES; i++)
        if (strncmp(name, libraries[i].name, strlen(libraries[i].name)) == 0)
            return &libraries[i];
    return NULL;
}

/* From its first mapping to the end of the last. */
static void leave(const struct dl_phdr_info *info)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), end = 0;

    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            end = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    left.mapped[left.count++] = (struct mapped){
        (char *)info->dlpi_addr, (char *)(info->dlpi_addr + (end + page - 1) / page * page)
    };
}

/* The program itself has no name. One that is not known was preloaded, and may look for symbols in
 * all others, in a keeper, too: then all come along. */
static int note_library(struct dl_phdr_info *info, size_t size, void *context)
{
    const struct library *library = library_of(info->dlpi_name);

    (void)size;
    (void)context;
    if (!library && *info->dlpi_name) {
        left.count = 0;
        return 1;
    }
    if (library && library->left && left.count < LIBRARIES)
        leave(info);
    return 0;
}

void heap_init(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = read_start_brk();

    (void)mallopt(M_MMAP_MAX, 0);
    /* The page in which it begins may hold static data, too. */
    start = (start + page - 1) / page * page;
    heap_begin = start ? (char *)sbrk(0) - ((uintptr_t)sbrk(0) - start) : NULL;
    left.count = 0;
    left.advice = MADV_DOFORK;
    (void)dl_iterate_phdr(note_library, NULL);
}

static void advise(int advice)
{
    char *end = sbrk(0);

    /* It grows. */
    if (heap_begin && end > heap_begin)
        (void)madvise(heap_begin, (size_t)(end - heap_begin), advice);
    for (size_t i = 0; i < left.count && advice != left.advice; i++)
        (void)madvise(left.mapped[i].begin, (size_t)(left.mapped[i].end - left.mapped[i].begin),
                      advice);
    left.advice = advice;
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
