/* Whether a forked child gets the heap, what is static, and the libraries that only opsd calls. */
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

/* Those beside the heap that are left behind. */
static struct {
    struct mapped {
        char *begin, *end;
    } mapped[LIBRARIES + 2];
    size_t count;
    bool known;   /* all libraries are, and none wants what is left */
    bool statics; /* were looked at */
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

static uintptr_t page_up(uintptr_t address)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    return (address + page - 1) / page * page;
}

static void leave(char *begin, char *end)
{
    if (begin < end)
        left.mapped[left.count++] = (struct mapped){ begin, end };
}

/* From its first mapping to the end of the last. */
static void leave_library(const struct dl_phdr_info *info)
{
    uintptr_t end = 0;

    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD)
            end = info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
    leave((char *)info->dlpi_addr, (char *)info->dlpi_addr + page_up(end));
}

/* The program itself has no name. One that is not known was preloaded, and may look for symbols in
 * all others, in a keeper, too: then all come along. */
static int note_library(struct dl_phdr_info *info, size_t size, void *context)
{
    const struct library *library = library_of(info->dlpi_name);

    (void)size;
    (void)context;
    left.known = library || !*info->dlpi_name;
    if (!left.known)
        left.count = 0;
    else if (library && library->left && left.count < LIBRARIES)
        leave_library(info);
    return !left.known;
}

void heap_init(void)
{
    uintptr_t start = read_start_brk();

    (void)mallopt(M_MMAP_MAX, 0);
    /* The page in which it begins may hold static data, too. */
    start = page_up(start);
    heap_begin = start ? (char *)sbrk(0) - ((uintptr_t)sbrk(0) - start) : NULL;
    left.count = 0;
    left.statics = false;
    left.advice = MADV_DOFORK;
    (void)dl_iterate_phdr(note_library, NULL);
}

/* What has no initial value, end(3). Its first page may hold what has one. */
extern char __bss_start, end;

/* What is before and behind it. */
static void leave_statics(char *kept, size_t n)
{
    if (left.statics || !left.known)
        return;
    left.statics = true;
    leave(&__bss_start + (page_up((uintptr_t)&__bss_start) - (uintptr_t)&__bss_start), kept);
    leave(kept + n, &end + (page_up((uintptr_t)&end) - (uintptr_t)&end));
}

static void advise(int advice)
{
    char *top = sbrk(0);

    /* It grows. */
    if (heap_begin && top > heap_begin)
        (void)madvise(heap_begin, (size_t)(top - heap_begin), advice);
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

void heap_stay_behind(char *kept, size_t n)
{
    leave_statics(kept, n);
    advise(MADV_DONTFORK);
}

void heap_come_along(void)
{
    advise(MADV_DOFORK);
}
