/* Control groups: each worker runs in one of its own. */
#include "cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup_text.h"
#include "file.h"
#include "log.h"
#include "own.h"

#define LINK_NAME "cgroup" /* in the home: to our folder */
#define LINK_NAME_NEW "cgroup.new"
#define OWN_NAME "~opsd" /* no worker's: those end with a number */

enum {
    PROC_BYTES_MAX = 1 << 20, /* a mount takes a line, and a machine full of containers thousands */
    FILE_BYTES_MAX = 8 << 10, /* memory.stat has some 60 lines */
    MAKE_TRIES = 3,
    DEPTH_MAX = 8, /* of the groups that a worker makes in its own */
};

/* --- files of a group */

static int open_in(int folder, const char *group, const char *file, int flags)
{
    char path[2 * NAME_MAX + 2];

    (void)snprintf(path, sizeof path, "%s/%s", group, file);
    return openat(folder, path, flags | O_CLOEXEC);
}

static int read_in(int folder, const char *group, const char *file, char text[FILE_BYTES_MAX])
{
    OWN(close) int fd = open_in(folder, group, file, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, text, FILE_BYTES_MAX - 1);

    if (n < 0)
        return -errno;
    text[n] = '\0';
    return 0;
}

static int write_in(int folder, const char *group, const char *file, const char *text)
{
    OWN(close) int fd = open_in(folder, group, file, O_WRONLY);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* --- where ours are */

/* Of the folder itself: not its path, which may be moved, nor a file in it, which may be copied;
 * with the time when it was made, since numbers of files are used again. */
static int name_of_home(int home_fd, char to[static NAME_MAX + 1])
{
    struct statx st;

    if (statx(home_fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0)
        return -errno;
    (void)snprintf(to, NAME_MAX + 1, "ops-%llx-%llx-%llx",
                   (unsigned long long)makedev(st.stx_dev_major, st.stx_dev_minor),
                   (unsigned long long)st.stx_ino,
                   (unsigned long long)st.stx_btime.tv_sec * 1000000000U + st.stx_btime.tv_nsec);
    return 0;
}

/* An opsd that another one of this home started, as after a crash, or a worker, is in a group below
 * ops-HOME itself. Ours are to be where those are: cuts own down to the group that ops-HOME is in,
 * and notes the one of ours that we are in. */
static void find_base(struct cgroups *cgroups, char *own, const char *name)
{
    size_t n = strlen(name);

    for (char *p = strstr(own, name); p; p = strstr(p + 1, name)) {
        if (p[-1] != '/' || (p[n] && p[n] != '/'))
            continue;
        if (p[n])
            (void)snprintf(cgroups->own, sizeof cgroups->own, "%.*s", (int)strcspn(p + n + 1, "/"),
                           p + n + 1);
        *(p - 1 == own ? p : p - 1) = '\0';
        return;
    }
}

static int open_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd < 0 ? -errno : fd;
}

/* Somebody tidied up above us. */
static bool is_gone(int fd)
{
    return faccessat(fd, "cgroup.procs", F_OK, 0) < 0 && (errno == ENOENT || errno == ENODEV);
}

/* Makes it, and holds it against those that tidy up, by a lock that goes with its opsd. Returns it
 * or a negative errno. */
static int open_ours(const char *path)
{
    int fd;

    for (int n = 0; n < MAKE_TRIES; n++) {
        if (mkdir(path, 0755) < 0 && errno != EEXIST)
            return -errno;
        fd = open_folder(path);
        if (fd >= 0 && flock(fd, LOCK_SH) == 0 && !is_gone(fd))
            return fd;
        if (fd >= 0)
            (void)close(fd);
    }
    return -ENOENT;
}

static void remove_if_unused(int base_fd, const char *name)
{
    OWN(close) int fd = openat(base_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(base_fd, name, AT_REMOVEDIR);
}

/* Those of homes that were deleted while nobody could tidy up. */
static void remove_unused(int base_fd)
{
    int fd = openat(base_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    unsigned long long n[3];
    int end;

    while (dir && (entry = readdir(dir))) {
        end = 0;
        if (sscanf(entry->d_name, "ops-%llx-%llx-%llx%n", &n[0], &n[1], &n[2], &end) == 3 &&
            !entry->d_name[end])
            remove_if_unused(fd, entry->d_name);
    }
    if (dir)
        (void)closedir(dir);
}

/* Only where a group can be killed. */
static bool make_folder(struct cgroups *cgroups, const char *base, const char *name)
{
    int fd;

    if (asprintf(&cgroups->path, "%s/%s", base, name) < 0) {
        cgroups->path = NULL;
        return false;
    }
    fd = open_ours(cgroups->path);
    if (fd >= 0 && faccessat(fd, "cgroup.kill", W_OK, AT_EACCESS) == 0) {
        cgroups->fd = fd;
        return true;
    }
    if (fd >= 0) {
        (void)close(fd);
        (void)rmdir(cgroups->path);
    }
    free(TAKE(cgroups->path));
    return false;
}

static void find_folder(struct cgroups *cgroups, const char *name)
{
    OWN(free) char *mounts = NULL;
    OWN(free) char *groups = NULL;
    char own[PATH_MAX], base[PATH_MAX];
    const char *p;

    if (file_read("/proc/self/mountinfo", PROC_BYTES_MAX, &mounts, NULL) < 0 ||
        file_read("/proc/self/cgroup", PROC_BYTES_MAX, &groups, NULL) < 0 ||
        !cgroup_text_own(groups, own))
        return;
    find_base(cgroups, own, name);
    p = mounts;
    while (cgroup_text_next_folder(&p, own, base) && !make_folder(cgroups, base, name))
        ;
}

/* The folder that the link names, if it is another one than ours, but of this home. */
static void find_before(struct cgroups *cgroups, int home_fd, const char *name)
{
    char path[PATH_MAX];
    ssize_t n = readlinkat(home_fd, LINK_NAME, path, sizeof path - 1);
    const char *last;

    if (n <= 0)
        return;
    path[n] = '\0';
    last = strrchr(path, '/');
    if (last && strcmp(last + 1, name) == 0 && strcmp(path, cgroups->path) != 0)
        cgroups->before_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void link_folder(const struct cgroups *cgroups, int home_fd)
{
    (void)unlinkat(home_fd, LINK_NAME_NEW, 0);
    if (symlinkat(cgroups->path, home_fd, LINK_NAME_NEW) < 0 ||
        renameat(home_fd, LINK_NAME_NEW, home_fd, LINK_NAME) < 0)
        log_warn("cannot write down where the control groups are, going on",
                 LOG_TEXT("why", strerror(errno)));
}

void cgroups_open(struct cgroups *cgroups, int home_fd)
{
    OWN(close) int base_fd = -1;
    char name[NAME_MAX + 1];

    *cgroups = (struct cgroups){ .fd = -1, .before_fd = -1 };
    if (name_of_home(home_fd, name) < 0)
        return;
    find_folder(cgroups, name);
    if (cgroups->fd < 0)
        return;
    base_fd = openat(cgroups->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd >= 0)
        remove_unused(base_fd);
    find_before(cgroups, home_fd, name);
    link_folder(cgroups, home_fd);
}

static bool is_delegated(int base_fd)
{
    char value[2] = "";

    /* Which of the two depends on the version of systemd, and on who asks. */
    return (fgetxattr(base_fd, "user.delegate", value, 1) == 1 && value[0] == '1') ||
           (fgetxattr(base_fd, "trusted.delegate", value, 1) == 1 && value[0] == '1');
}

static int move_to_own(struct cgroups *cgroups, pid_t guard)
{
    const pid_t pids[] = { guard, getpid() };
    char text[16];
    int r = 0;

    if (mkdirat(cgroups->fd, OWN_NAME, 0755) < 0 && errno != EEXIST)
        return -errno;
    for (size_t i = 0; i < sizeof pids / sizeof *pids && r == 0; i++) {
        (void)snprintf(text, sizeof text, "%d", (int)pids[i]);
        r = write_in(cgroups->fd, OWN_NAME, "cgroup.procs", text);
    }
    (void)snprintf(cgroups->own, sizeof cgroups->own, OWN_NAME);
    return r;
}

void cgroups_delegate(struct cgroups *cgroups, pid_t guard, const char *controller)
{
    OWN(close) int base_fd = -1;
    char given[FILE_BYTES_MAX], enable[64];

    if (cgroups->fd < 0)
        return;
    (void)snprintf(enable, sizeof enable, "+%s", controller);
    base_fd = openat(cgroups->fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (base_fd >= 0 && is_delegated(base_fd) &&
        read_in(base_fd, ".", "cgroup.controllers", given) == 0 &&
        cgroup_text_has(given, controller) && move_to_own(cgroups, guard) == 0)
        (void)write_in(base_fd, ".", "cgroup.subtree_control", enable);
    /* Refused where it is not ours to have. */
    (void)write_in(cgroups->fd, ".", "cgroup.subtree_control", enable);
}

void cgroups_close(struct cgroups *cgroups, int home_fd)
{
    if (cgroups->path && (rmdir(cgroups->path) == 0 || errno == ENOENT))
        (void)unlinkat(home_fd, LINK_NAME, 0);
    if (cgroups->fd >= 0)
        (void)close(cgroups->fd);
    if (cgroups->before_fd >= 0)
        (void)close(cgroups->before_fd);
    free(cgroups->path);
    *cgroups = (struct cgroups){ .fd = -1, .before_fd = -1 };
}

/* --- clearing */

/* With the groups that a worker made in its own. Returns 0 or a negative errno. */
static int remove_group(int folder, const char *name, int depth)
{
    DIR *dir = NULL;
    const struct dirent *entry;
    int fd;

    if (unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return 0;
    if (errno != EBUSY || depth == DEPTH_MAX)
        return -errno;
    fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    dir = fd < 0 ? NULL : fdopendir(fd);
    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            (void)remove_group(fd, entry->d_name, depth + 1);
    if (dir)
        (void)closedir(dir);
    return unlinkat(folder, name, AT_REMOVEDIR) == 0 ? 0 : -errno;
}

/* Whoever has none of the descriptors that it takes to look does not know. */
static bool is_empty(int folder, const char *name)
{
    char text[FILE_BYTES_MAX];
    int64_t populated;
    int r = read_in(folder, name, "cgroup.events", text);

    if (r < 0)
        return r == -ENOENT || r == -ENODEV;
    return cgroup_text_number(text, "populated", &populated) && !populated;
}

static bool clear_in(int folder, const char *name)
{
    /* That it can be removed proves it, and costs the least. */
    if (folder < 0 || unlinkat(folder, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return true;
    if (!is_empty(folder, name)) {
        (void)write_in(folder, name, "cgroup.kill", "1");
        return false;
    }
    (void)remove_group(folder, name, 0);
    return true;
}

static bool is_own(const struct cgroups *cgroups, const char *name)
{
    return strcmp(cgroups->own, name) == 0;
}

bool cgroup_clear(const struct cgroups *cgroups, const char *name)
{
    bool cleared;

    if (is_own(cgroups, name))
        return true;
    cleared = clear_in(cgroups->fd, name);
    return clear_in(cgroups->before_fd, name) && cleared;
}

void cgroup_kill(const struct cgroups *cgroups, const char *name)
{
    if (is_own(cgroups, name))
        return;
    if (cgroups->fd >= 0)
        (void)write_in(cgroups->fd, name, "cgroup.kill", "1");
    if (cgroups->before_fd >= 0)
        (void)write_in(cgroups->before_fd, name, "cgroup.kill", "1");
}

/* Returns true when all is gone. */
static bool sweep(const struct cgroups *cgroups, int folder,
                  bool (*is_owned)(void *context, const char *name), void *context)
{
    int fd = folder < 0 ? -1 : openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    const struct dirent *entry;
    bool gone = true;

    while (dir && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && !is_own(cgroups, entry->d_name) &&
            !is_owned(context, entry->d_name))
            gone &= clear_in(folder, entry->d_name);
    if (dir)
        (void)closedir(dir);
    return gone;
}

bool cgroups_sweep(const struct cgroups *cgroups, bool (*is_owned)(void *context, const char *name),
                   void *context)
{
    bool gone = sweep(cgroups, cgroups->fd, is_owned, context);

    return sweep(cgroups, cgroups->before_fd, is_owned, context) && gone;
}

/* --- one that is about to be used */

int cgroups_folder(struct cgroups *cgroups, const char *left, int *ret_fd, struct err *reterr)
{
    int fd;

    if (cgroups->fd >= 0 && is_gone(cgroups->fd)) {
        fd = open_ours(cgroups->path);
        if (fd >= 0) {
            (void)close(cgroups->fd);
            cgroups->fd = fd;
        }
    }
    if (left && !cgroup_clear(cgroups, left))
        return err_set(reterr, -EBUSY, "what an earlier process of it left is being killed");
    *ret_fd = cgroups->fd;
    return 0;
}

/* --- what is known of one */

static char *path_in(int folder, const char *name)
{
    char link[32], path[PATH_MAX], *full;
    ssize_t n;

    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    if (folder < 0 || faccessat(folder, name, F_OK, 0) < 0)
        return NULL;
    n = readlink(link, path, sizeof path);
    return n > 0 && asprintf(&full, "%.*s/%s", (int)n, path, name) >= 0 ? full : NULL;
}

char *cgroup_path(const struct cgroups *cgroups, const char *name)
{
    char *path = path_in(cgroups->fd, name);

    return path ? path : path_in(cgroups->before_fd, name);
}

static int64_t number_in(const struct cgroups *cgroups, const char *name, const char *file,
                         const char *key)
{
    char text[FILE_BYTES_MAX];
    int64_t value;

    if (read_in(cgroups->fd, name, file, text) < 0 &&
        read_in(cgroups->before_fd, name, file, text) < 0)
        return -1;
    return cgroup_text_number(text, key, &value) ? value : -1;
}

void cgroup_usage(const struct cgroups *cgroups, const char *name, struct cgroup_usage *ret)
{
    int64_t cpu_us = number_in(cgroups, name, "cpu.stat", "usage_usec");

    ret->cpu_ms = cpu_us < 0 ? -1 : cpu_us / 1000;
    ret->memory_bytes = number_in(cgroups, name, "memory.stat", "anon");
}
