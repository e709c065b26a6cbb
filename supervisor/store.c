/* Descriptors with names, through an exec: a sorted list, and a memory file with one "FD NAME" a
 * line. */
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "own.h"
#include "text.h"

/* Every descriptor that a process may have, each with the longest name. */
enum { LIST_BYTES_MAX = 256 << 20 };

/* Where the name is, or would be. */
static size_t place_of(const struct store *store, const char *name)
{
    size_t low = 0, high = store->count, middle;

    while (low < high) {
        middle = low + (high - low) / 2;
        if (strcmp(store->items[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_at(const struct store *store, size_t place, const char *name)
{
    return place < store->count && strcmp(store->items[place].name, name) == 0;
}

static int make_room(struct store *store)
{
    size_t room = store->room * 2 + 16;
    struct store_item *items;

    if (store->count < store->room)
        return 0;
    items = realloc(store->items, room * sizeof *items);
    if (!items)
        return -ENOMEM;
    store->items = items;
    store->room = room;
    return 0;
}

/* *ret_old becomes what the name stood for before, or -1. */
static int put(struct store *store, const char *name, int fd, int *ret_old)
{
    size_t place = place_of(store, name);
    char *copy;

    if (is_at(store, place, name)) {
        *ret_old = store->items[place].fd;
        store->items[place].fd = fd;
        return 0;
    }
    if (!*name || strlen(name) > STORE_NAME_MAX || strchr(name, '\n'))
        return -EINVAL;
    copy = strdup(name);
    if (!copy || make_room(store) < 0) {
        free(copy);
        return -ENOMEM;
    }
    memmove(&store->items[place + 1], &store->items[place],
            (store->count++ - place) * sizeof *store->items);
    store->items[place] = (struct store_item){ .fd = fd, .name = copy };
    *ret_old = -1;
    return 0;
}

int store_put(struct store *store, const char *name, int fd)
{
    int old;

    return put(store, name, fd, &old);
}

int store_add(struct store *store, const char *name, int fd)
{
    int old = -1, r;

    r = put(store, name, fd, &old);
    if (r < 0)
        old = fd;
    if (old >= 0)
        (void)close(old);
    return r;
}

int store_find(const struct store *store, const char *name)
{
    size_t place = place_of(store, name);

    return is_at(store, place, name) ? store->items[place].fd : -ENOENT;
}

int store_take(struct store *store, const char *name)
{
    size_t place = place_of(store, name);
    struct store_item taken;

    if (!is_at(store, place, name))
        return -ENOENT;
    taken = store->items[place];
    memmove(&store->items[place], &store->items[place + 1],
            (--store->count - place) * sizeof *store->items);
    free(taken.name);
    return taken.fd;
}

void store_drop(struct store *store, const char *name)
{
    int fd = store_take(store, name);

    if (fd >= 0)
        (void)close(fd);
}

int store_raise(struct store *store, int from)
{
    for (size_t i = 0; i < store->count; i++) {
        int old = store->items[i].fd, fd = old;

        if (old < from)
            fd = fcntl(old, F_DUPFD_CLOEXEC, from);
        if (fd < 0)
            return -errno;
        if (fd != old)
            (void)close(old);
        store->items[i].fd = fd;
    }
    return 0;
}

/* --- through an exec */

static int list_items(const struct store *store, struct buf *ret)
{
    const struct store_item *item;
    int r = 0;

    buf_init(ret, LIST_BYTES_MAX);
    for (size_t i = 0; i < store->count && r == 0; i++) {
        item = &store->items[i];
        if (fcntl(item->fd, F_GETFD) >= 0)
            r = buf_printf(ret, "%d %s\n", item->fd, item->name);
    }
    return r;
}

int store_save(const struct store *store, int *ret_fd)
{
    OWN_BUF struct buf list = { 0 };
    OWN(close) int fd = -1;
    int r;

    /* First the list: the file for it may get the number of a descriptor that is gone. */
    r = list_items(store, &list);
    if (r < 0)
        return r;
    fd = memfd_create("opsd-store", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    r = list.len ? file_write_all(fd, list.p, list.len) : 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < store->count; i++)
        (void)fcntl(store->items[i].fd, F_SETFD, 0);
    (void)fcntl(fd, F_SETFD, 0);
    *ret_fd = take_fd(&fd);
    return 0;
}

void store_unsave(const struct store *store, int fd)
{
    for (size_t i = 0; i < store->count; i++)
        (void)fcntl(store->items[i].fd, F_SETFD, FD_CLOEXEC);
    (void)close(fd);
}

/* The whole list, ended with '\0', to be freed. */
static int read_list(int fd, char **ret)
{
    OWN(free) char *text = NULL;
    size_t n = 0;
    struct stat st;
    ssize_t got;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size > LIST_BYTES_MAX)
        return -EBADMSG;
    text = malloc((size_t)st.st_size + 1);
    if (!text)
        return -ENOMEM;
    while (n < (size_t)st.st_size) {
        got = pread(fd, text + n, (size_t)st.st_size - n, (off_t)n);
        if (got <= 0)
            return got < 0 ? -errno : -EBADMSG;
        n += (size_t)got;
    }
    text[n] = '\0';
    *ret = TAKE(text);
    return 0;
}

/* "FD NAME"; a descriptor that is not open is no reason to lose the others. */
static int take_line(struct store *store, char *line)
{
    const char *number = strsep(&line, " ");
    int64_t fd;

    if (!line || text_to_int(number, 0, INT_MAX, &fd) < 0)
        return -EBADMSG;
    if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
        return 0;
    return store_add(store, line, (int)fd) == -ENOMEM ? -ENOMEM : 0;
}

int store_load(int fd, struct store *ret)
{
    OWN(close) int list = fd;
    OWN(free) char *text = NULL;
    char *rest, *line;
    int r;

    r = read_list(list, &text);
    rest = text;
    while (r == 0 && *rest) {
        line = strsep(&rest, "\n");
        r = rest ? take_line(ret, line) : -EBADMSG;
    }
    return r;
}

void store_forget(struct store *store)
{
    for (size_t i = 0; i < store->count; i++)
        free(store->items[i].name);
    free(store->items);
    *store = (struct store){ 0 };
}

void store_done(struct store *store)
{
    for (size_t i = 0; i < store->count; i++)
        (void)close(store->items[i].fd);
    store_forget(store);
}
