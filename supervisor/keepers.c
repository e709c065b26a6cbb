/* opsd's side of its keepers. */
#include "keepers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "keeper_held.h"
#include "keepers_go.h"
#include "launch.h"
#include "own.h"
#include "procfs.h"
#include "slots.h"

#define FOLDER "run"

enum {
    EVENTS_BYTES = 16 << 10,
    /* It has but to be scheduled; beyond this it is stopped. */
    AWAIT_MS = 2000,
};

/* --- what they report */

/* Reads the record if it is this keeper's. Returns true when it says something new. */
static bool read_report(struct keeper *keeper)
{
    struct keeper_report report;

    if (keeper_read(keeper->status_fd, &report) < 0 || report.keeper != keeper->pid ||
        report.keeper_start != keeper->start || report.phase == keeper->report.phase)
        return false;
    keeper->report = report;
    keeper_heard_of(keeper);
    return true;
}

/* A file may be that of a keeper which was dismissed, too. */
static bool is_watched(const struct keepers *keepers, int watch)
{
    for (const struct keeper *k = keepers->first; k; k = k->next)
        if (k->status_watch == watch)
            return true;
    return false;
}

/* Of those that write to a file, one at most is not dismissed. The latest come first. */
static void look_at(const struct keepers *keepers, int watch)
{
    struct keeper *k = keepers->first;

    while (k && (k->status_watch != watch || !k->owner))
        k = k->next;
    if (k && read_report(k))
        keepers->changed(k);
}

/* What changed may let go of any keeper, so begin again after it. */
static void look_at_all(const struct keepers *keepers)
{
    struct keeper *k = keepers->first;

    while (k) {
        if (k->owner && read_report(k)) {
            keepers->changed(k);
            k = keepers->first;
        } else {
            k = k->next;
        }
    }
}

static void files_changed(void *owner)
{
    static char bytes[EVENTS_BYTES] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct keepers *keepers = owner;
    const struct inotify_event *event;
    ssize_t n;

    n = read(keepers->inotify_fd, bytes, sizeof bytes);
    for (const char *p = bytes; p < bytes + n; p += sizeof *event + event->len) {
        event = (const struct inotify_event *)(const void *)p;
        if (event->mask & IN_Q_OVERFLOW)
            look_at_all(keepers);
        else if (event->mask & IN_MODIFY)
            look_at(keepers, event->wd);
    }
}

static int open_status(const struct keepers *keepers, const char *name, int flags)
{
    int fd = openat(keepers->folder_fd, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);

    return fd < 0 ? -errno : fd;
}

static int watch_status(struct keeper *keeper)
{
    char path[48];

    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", keeper->status_fd);
    keeper->status_watch = inotify_add_watch(keeper->keepers->inotify_fd, path, IN_MODIFY);
    return keeper->status_watch < 0 ? -errno : 0;
}

static void close_status(struct keeper *keeper)
{
    int watch = keeper->status_watch;

    keeper->status_watch = -1;
    if (watch >= 0 && !is_watched(keeper->keepers, watch))
        (void)inotify_rm_watch(keeper->keepers->inotify_fd, watch);
    if (keeper->status_fd >= 0)
        (void)close(keeper->status_fd);
}

int keepers_look_up(const struct keepers *keepers, const char *name, struct keeper_report *ret)
{
    OWN(close) int fd = open_status(keepers, name, O_RDONLY);
    struct keeper_report report;
    int r;

    r = fd < 0 ? fd : keeper_read(fd, &report);
    if (r < 0)
        return r;
    if (!procfs_is_alive(report.keeper, report.keeper_start))
        return -ESRCH;
    *ret = report;
    return 0;
}

int keepers_await(const struct keepers *keepers, const char *name, struct keeper_report *ret)
{
    const struct timespec pause = { .tv_nsec = 1000000 };
    int r = 0;

    for (int ms = 0; ms < AWAIT_MS && r == 0 && ret->phase == KEEPER_WAITS; ms++) {
        (void)nanosleep(&pause, NULL);
        r = keepers_look_up(keepers, name, ret);
    }
    return r;
}

bool keepers_each(const struct keepers *keepers,
                  bool (*each)(void *context, const char *file, const struct keeper_report *report),
                  void *context)
{
    OWN(close) int fd = openat(keepers->folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct keeper_report report;
    struct dirent *entry;
    bool ended = false;

    if (!folder)
        return false;
    fd = -1; /* closedir closes it */
    while (!ended && (entry = readdir(folder)))
        if (entry->d_name[0] != '.' && keepers_look_up(keepers, entry->d_name, &report) == 0)
            ended = !each(context, entry->d_name, &report);
    (void)closedir(folder);
    return ended;
}

static int open_folder(struct keepers *keepers)
{
    int fd;

    if (mkdirat(keepers->home_fd, FOLDER, 0700) < 0 && errno != EEXIST)
        return -errno;
    fd = openat(keepers->home_fd, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -errno;
    if (keepers->folder_fd >= 0)
        (void)close(keepers->folder_fd);
    keepers->folder_fd = fd;
    return 0;
}

int keepers_init(struct keepers *keepers, uv_loop_t *loop, int home_fd)
{
    int r;

    keepers->loop = loop;
    keepers->home_fd = home_fd;
    keepers->folder_fd = keepers->inotify_fd = -1;
    r = open_folder(keepers);
    if (r < 0)
        return r;
    keepers->inotify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (keepers->inotify_fd < 0)
        return -errno;
    return watch_open(loop, keepers->inotify_fd, files_changed, keepers, &keepers->watch);
}

/* --- one of them */

static void let_go(struct keeper *keeper)
{
    struct keeper **p = &keeper->keepers->first;

    keeper_heard_of(keeper);
    while (*p != keeper)
        p = &(*p)->next;
    *p = keeper->next;
    close_status(keeper);
    watch_close(&keeper->watch);
    if (keeper->go_fd >= 0)
        slots_wait();
    if (keeper->pidfd >= 0)
        (void)close(keeper->pidfd);
    keeper_forget_go(keeper);
    free(keeper->file);
    free(keeper);
}

void keepers_close(struct keepers *keepers)
{
    while (keepers->first)
        let_go(keepers->first);
    watch_close(&keepers->watch);
    if (keepers->inotify_fd >= 0)
        (void)close(keepers->inotify_fd);
    if (keepers->folder_fd >= 0)
        (void)close(keepers->folder_fd);
}

static void keeper_ended(void *owner)
{
    struct keeper *keeper = owner;
    siginfo_t info;

    watch_close(&keeper->watch);
    /* Only ours to reap when we forked it; others are the guard's. */
    (void)waitid(P_PIDFD, (id_t)keeper->pidfd, &info, WEXITED | WNOHANG);
    keeper->gone = true;
    keeper_heard_of(keeper);
    if (!keeper->owner) {
        let_go(keeper);
        return;
    }
    (void)read_report(keeper);
    keeper->keepers->changed(keeper);
}

static struct keeper *keeper_new(struct keepers *keepers, const char *name, void *owner)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);

    if (keeper)
        keeper->file = strdup(name);
    if (!keeper || !keeper->file) {
        free(keeper);
        return NULL;
    }
    keeper->keepers = keepers;
    keeper->owner = owner;
    keeper->pidfd = keeper->go_fd = keeper->status_fd = keeper->status_watch = -1;
    keeper->next = keepers->first;
    keepers->first = keeper;
    return keeper;
}

static int read_start(pid_t pid, int64_t *ret)
{
    struct proc_stat stat;
    int r = procfs_stat(pid, &stat);

    if (r == 0)
        *ret = stat.start_ticks;
    return r == -ENOENT ? -ESRCH : r;
}

static int hold(struct keeper *keeper, int pidfd)
{
    keeper->pidfd = pidfd;
    return watch_open(keeper->keepers->loop, pidfd, keeper_ended, keeper, &keeper->watch);
}

/* What pidfd holds still is what was meant if its start is the same now that it cannot be replaced
 * any more. */
static int hold_again(struct keeper *keeper, int pidfd, int64_t start)
{
    int64_t found;
    int r;

    if (pidfd < 0)
        return -errno;
    r = read_start(keeper->pid, &found);
    if (r == 0 && found != start)
        r = -ESRCH;
    if (r == 0)
        return hold(keeper, pidfd);
    (void)close(pidfd);
    return r;
}

/* With all the room that a record takes: the keeper must not need a disk that is full. */
static int make_status(struct keeper *keeper)
{
    struct keepers *keepers = keeper->keepers;
    char blank[KEEPER_RECORD_BYTES];
    int fd;

    fd = open_status(keepers, keeper->file, O_RDWR | O_CREAT);
    /* Somebody swept the home. */
    if (fd == -ENOENT && open_folder(keepers) == 0)
        fd = open_status(keepers, keeper->file, O_RDWR | O_CREAT);
    if (fd < 0)
        return fd == -ENOENT ? -EIO : fd;
    keeper->status_fd = fd;
    memset(blank, ' ', sizeof blank);
    return pwrite(fd, blank, sizeof blank, 0) == sizeof blank ? 0 : -ENOSPC;
}

/* From here on whoever comes after us finds it, though the journal may not know it yet, or could
 * not be written. It writes nothing before it is told to go: what is heard from now on is its own.
 */
static int announce(struct keeper *keeper)
{
    const struct keeper_report report = { .keeper = keeper->pid, .keeper_start = keeper->start };

    keeper_write(keeper->status_fd, &report, 0);
    return watch_status(keeper);
}

/* go: its end of the pipe. */
static int fork_with(struct keeper *keeper, const struct keeper_task *task, int go,
                     struct err *reterr)
{
    int64_t begun = procfs_clock();
    int pidfd, r;

    r = launch_keeper(task, keeper->status_fd, go, &pidfd, reterr);
    if (r < 0)
        return r;
    keeper->pid = r;
    keeper->start = procfs_clock();
    r = hold(keeper, pidfd);
    /* It was started at either. */
    if (r == 0 && keeper->start != begun)
        r = read_start(keeper->pid, &keeper->start);
    if (r == 0)
        r = announce(keeper);
    if (r == 0)
        return 0;
    /* Never told to go, it has started nothing. */
    (void)kill(keeper->pid, SIGKILL);
    (void)waitpid(keeper->pid, NULL, 0);
    return err_set(reterr, r, "cannot watch the keeper: %s", strerror(-r));
}

static int start(struct keeper *keeper, const struct keeper_task *task, struct err *reterr)
{
    int go, r;

    r = make_status(keeper);
    if (r < 0)
        return err_set(reterr, r, "cannot make the status file %s: %s", keeper->file, strerror(-r));
    go = keeper_hold_back(keeper, task->takes_turns);
    if (go < 0)
        return err_set(reterr, go, "cannot make a pipe: %s", strerror(-go));
    r = fork_with(keeper, task, go, reterr);
    (void)close(go);
    return r;
}

int keeper_fork(struct keepers *keepers, const struct keeper_task *task, void *owner,
                struct keeper **ret, struct err *reterr)
{
    struct keeper *keeper = keeper_new(keepers, task->file, owner);
    int r;

    if (!keeper)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = start(keeper, task, reterr);
    if (r < 0)
        let_go(keeper);
    else
        *ret = keeper;
    return r;
}

/* By its name or, when that was deleted, from the keeper. */
static int reopen_status(struct keeper *keeper, const struct keeper_identity *identity)
{
    int fd = open_status(keeper->keepers, identity->file, O_RDONLY);

    if (fd == -ENOENT)
        fd = keeper_held_open(identity->pid, identity->start, KEEPER_STATUS_FD);
    if (fd < 0)
        return fd == -ENOENT || fd == -ESRCH ? 0 : fd;
    keeper->status_fd = fd;
    return watch_status(keeper);
}

int keeper_adopt(struct keepers *keepers, const struct keeper_identity *identity, void *owner,
                 struct keeper **ret, struct keeper_report *last)
{
    struct keeper *keeper = keeper_new(keepers, identity->file, owner);
    int r;

    *last = (struct keeper_report){ .phase = KEEPER_WAITS };
    if (!keeper)
        return -ENOMEM;
    keeper->pid = identity->pid;
    /* What is not known must not stand for any: a damaged journal. */
    r = identity->start > 0 ? reopen_status(keeper, identity) : -ESRCH;
    if (r == 0)
        r = hold_again(keeper, pidfd_open(identity->pid, 0), identity->start);
    keeper->start = identity->start;
    (void)read_report(keeper);
    *last = keeper->report;
    if (r < 0)
        let_go(keeper);
    else
        *ret = keeper;
    return r;
}

int keeper_send(int pidfd, int order)
{
    siginfo_t info = { .si_signo = keeper_order_signal(), .si_code = SI_QUEUE };

    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_int = order;
    return pidfd_send_signal(pidfd, info.si_signo, &info, 0) < 0 ? -errno : 0;
}

int keeper_order(struct keeper *keeper, int order)
{
    return keeper_send(keeper->pidfd, order);
}

/* Nothing of its worker runs any more, so there is nothing that it could still do. */
void keeper_dismiss(struct keeper **keeper)
{
    struct keeper *k = *keeper;

    *keeper = NULL;
    k->owner = NULL;
    if (k->gone)
        let_go(k);
    else
        (void)pidfd_send_signal(k->pidfd, SIGKILL, NULL, 0);
}

void keepers_forget(struct keepers *keepers, const char *name)
{
    (void)unlinkat(keepers->folder_fd, name, 0);
}
