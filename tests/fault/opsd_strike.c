/*
 * Preloaded into opsd, this ends it with SIGKILL at a chosen boundary with the outside: a call
 * after which somebody else knows of something, or something of it stays when opsd does not.
 *
 *     OPSD_STRIKE=FILE         says "17 both" once there is to be a strike: before the 17th
 * boundary of the supervisor from then on, together with its guard; "17 supervisor": alone
 *     OPSD_STRIKE_LAG_MS=2     each boundary takes the supervisor that long, as on a slow disk
 *
 * The file is taken away when it is read, so that only one supervisor is struck, and the strike is
 * announced on stderr: "opsd_strike: both before renameat". Keepers and the guard are left alone.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(function) ((__typeof__(function) *)dlsym(RTLD_NEXT, #function))

static const char *path;
static pid_t supervisor; /* 0: this is none; a keeper has another pid */
static int left;         /* boundaries until the strike; 0: there is to be none yet */
static bool both;
static useconds_t lag;

__attribute__((constructor)) static void start(void)
{
    char words[4096] = "";
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, words, sizeof words);

    close(fd);
    path = getenv("OPSD_STRIKE");
    if (getenv("OPSD_STRIKE_LAG_MS"))
        lag = (useconds_t)atoi(getenv("OPSD_STRIKE_LAG_MS")) * 1000;
    if (path && memmem(words, n > 0 ? (size_t)n : 0, "--link", sizeof "--link" - 1))
        supervisor = getpid();
}

static void look(void)
{
    char text[32] = "", who[16] = "";
    int fd = REAL(open)(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!read(fd, text, sizeof text - 1);
    close(fd);
    if (REAL(unlink)(path) == 0 && sscanf(text, "%d %15s", &left, who) == 2)
        both = strcmp(who, "both") == 0;
}

static void reach(const char *name)
{
    if (!supervisor || getpid() != supervisor)
        return;
    if (lag)
        usleep(lag);
    if (!left)
        look();
    if (!left || --left)
        return;
    dprintf(STDERR_FILENO, "opsd_strike: %s before %s\n", both ? "both" : "supervisor", name);
    if (both)
        kill(getppid(), SIGKILL);
    raise(SIGKILL);
}

/* The call itself, behind its boundary. */
#define BOUNDARY(function, ...) (reach(#function), REAL(function)(__VA_ARGS__))

/* --- files */

int open(const char *file, int flags, ...)
{
    __builtin_va_list list;
    mode_t mode;

    __builtin_va_start(list, flags);
    mode = __builtin_va_arg(list, mode_t);
    __builtin_va_end(list);
    if (flags & O_CREAT)
        reach("open");
    return REAL(open)(file, flags, mode);
}

int openat(int folder, const char *file, int flags, ...)
{
    __builtin_va_list list;
    mode_t mode;

    __builtin_va_start(list, flags);
    mode = __builtin_va_arg(list, mode_t);
    __builtin_va_end(list);
    if (flags & O_CREAT)
        reach("openat");
    return REAL(openat)(folder, file, flags, mode);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    return BOUNDARY(write, fd, bytes, n);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    return BOUNDARY(pwrite, fd, bytes, n, at);
}

int ftruncate(int fd, off_t n)
{
    return BOUNDARY(ftruncate, fd, n);
}

int rename(const char *from, const char *to)
{
    return BOUNDARY(rename, from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    return BOUNDARY(renameat, from_folder, from, to_folder, to);
}

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    return BOUNDARY(linkat, from_folder, from, to_folder, to, flags);
}

int unlink(const char *file)
{
    return BOUNDARY(unlink, file);
}

int unlinkat(int folder, const char *file, int flags)
{
    return BOUNDARY(unlinkat, folder, file, flags);
}

int mkdirat(int folder, const char *file, mode_t mode)
{
    return BOUNDARY(mkdirat, folder, file, mode);
}

/* --- pipes, sockets */

ssize_t splice(int from, off64_t *from_at, int to, off64_t *to_at, size_t n, unsigned flags)
{
    return BOUNDARY(splice, from, from_at, to, to_at, n, flags);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    return BOUNDARY(sendmsg, fd, message, flags);
}

int bind(int fd, const struct sockaddr *address, socklen_t n)
{
    return BOUNDARY(bind, fd, address, n);
}

int listen(int fd, int backlog)
{
    return BOUNDARY(listen, fd, backlog);
}

/* --- processes */

pid_t _Fork(void)
{
    return BOUNDARY(_Fork);
}

int pidfd_send_signal(int pidfd, int signal, siginfo_t *info, unsigned flags)
{
    return BOUNDARY(pidfd_send_signal, pidfd, signal, info, flags);
}
