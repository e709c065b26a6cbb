/* The guard: starts the supervisor again and again, and keeps its descriptors meanwhile. */
#include "guard_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "home.h"
#include "instant.h"
#include "log.h"
#include "notify.h"
#include "slots.h"

enum {
    /* A supervisor that lived for less than QUICK_MS died quickly; after QUICK_DEATHS of them in a
     * row the next is started with a delay that doubles. One that served until somebody sent
     * SIGKILL is no sign of anything wrong. */
    QUICK_MS = 1000,
    QUICK_DEATHS = 5,
    DELAY_FIRST_MS = 100,
    DELAY_MOST_MS = 5000,
    /* No memory or no process left: others may end. */
    FORK_AGAIN_MS = 1000,
};

static int64_t now_ms(void)
{
    return (int64_t)monotonic_now_ms();
}

/* Nobody was told yet that opsd serves. */
static bool is_first(const struct guard *guard)
{
    return store_find(guard->store, GUARD_STARTED) >= 0;
}

static void leave(struct guard *guard, int code)
{
    guard->over = true;
    guard->code = code;
}

static void close_link(struct guard *guard)
{
    if (guard->link >= 0)
        (void)close(guard->link);
    guard->link = -1;
}

/* --- starting */

/* Executes the binary with everything in the store; returns only on failure, with -errno. */
static int execute(const struct guard *guard, struct options *options, int *ret_list)
{
    struct option_words words;
    int r;

    r = store_save(guard->store, ret_list);
    if (r < 0)
        return r;
    if (options->link >= 0)
        options->store = *ret_list;
    else
        options->guard_store = *ret_list;
    options_write(options, &words);
    (void)execveat(guard->trial.binary, "", (char **)words.argv, environ, AT_EMPTY_PATH);
    r = -errno;
    store_unsave(guard->store, *ret_list);
    return r;
}

/* In the child. Signals stay blocked until the supervisor can take them. The terminal's signals are
 * for the guard, which passes them on, and the service manager's socket for it alone. */
static void become_supervisor(const struct guard *guard, int link)
{
    struct options options = guard->options;
    int list, r;

    (void)setpgid(0, 0);
    (void)unsetenv("NOTIFY_SOCKET");
    options.link = fcntl(link, F_DUPFD, SLOTS_END);
    options.no_start = options.no_start && is_first(guard);
    r = options.link < 0 ? -errno : execute(guard, &options, &list);
    log_error("cannot start the supervisor", LOG_TEXT("why", strerror(-r)));
    _exit(EXIT_FAILED);
}

/* The new binary has proven itself, so it becomes the guard's too; the supervisor stays its child
 * and knows nothing of it. */
static void take_new_binary(struct guard *guard)
{
    struct options options = guard->options;
    int link = fcntl(guard->link, F_DUPFD_CLOEXEC, 0), list, r;

    trial_pass(&guard->trial);
    options.supervisor = guard->pid;
    r = link < 0 ? -errno : store_add(guard->store, GUARD_LINK, link);
    if (r == 0)
        r = execute(guard, &options, &list);
    store_drop(guard->store, GUARD_LINK);
    log_warn("cannot execute the new binary as guard, going on", LOG_TEXT("why", strerror(-r)));
}

static int fork_supervisor(struct guard *guard)
{
    int ends[2], r = 0;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    guard->pid = fork();
    if (guard->pid == 0)
        become_supervisor(guard, ends[1]);
    if (guard->pid < 0) {
        r = -errno;
        guard->pid = 0;
        (void)close(ends[0]);
    } else {
        guard->link = ends[0];
    }
    (void)close(ends[1]);
    return r;
}

static void start(struct guard *guard)
{
    int r = fork_supervisor(guard);

    guard->start_at_ms = r < 0 ? now_ms() + FORK_AGAIN_MS : 0;
    guard->started_ms = now_ms();
    guard->ready_ms = 0;
    trial_started(&guard->trial);
    if (r < 0)
        log_error("cannot start a supervisor; trying again", LOG_TEXT("why", strerror(-r)));
}

static void read_link(struct guard *guard)
{
    struct guard_message message;
    int r = 1, cut;

    while (guard->link >= 0 && (r = guard_message_receive(guard->link, &message, &cut)) > 0) {
        guard_obey(guard, &message);
        if (cut)
            log_error("no descriptors left; some of the supervisor's cannot be kept");
    }
    if (r < 0)
        close_link(guard);
}

/* --- its end */

static int64_t delay_ms(const struct guard *guard)
{
    unsigned doublings = guard->quick - QUICK_DEATHS;

    if (guard->quick < QUICK_DEATHS)
        return 0;
    return doublings < 6 ? DELAY_FIRST_MS << doublings : DELAY_MOST_MS;
}

static void log_death(int status)
{
    if (WIFSIGNALED(status))
        log_error("the supervisor was killed; starting another",
                  LOG_INT("signal", WTERMSIG(status)));
    else
        log_error("the supervisor ended; starting another",
                  LOG_INT("exit_code", WEXITSTATUS(status)));
}

static bool is_quick(const struct guard *guard, int status)
{
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;

    return now_ms() - guard->started_ms < QUICK_MS && !(killed && guard->ready_ms);
}

static void died(struct guard *guard, int status)
{
    guard->quick = is_quick(guard, status) ? guard->quick + 1 : 0;
    if (guard->leaving == SIGQUIT ||
        (is_first(guard) && (WIFEXITED(status) || guard->quick >= QUICK_DEATHS))) {
        leave(guard, WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_FAILED);
        return;
    }
    log_death(status);
    if (trial_died(&guard->trial)) {
        log_error("the new binary does not come up; taking the one before");
        guard->quick = 0;
        guard->options.rolled_back = true;
    }
    guard->start_at_ms = now_ms() + delay_ms(guard);
}

static void ended(struct guard *guard, int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    read_link(guard); /* what it said before */
    close_link(guard);
    guard->pid = 0;
    if (code == EXIT_DONE && (guard->ready_ms || guard->leaving))
        leave(guard, EXIT_DONE);
    else if (code == GUARD_AGAIN && guard->ready_ms)
        guard->start_at_ms = now_ms();
    else
        died(guard, status);
}

/* Orphans of workers end up here too: nobody else would reap them. */
static void reap(struct guard *guard)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == guard->pid)
            ended(guard, status);
}

/* --- the loop */

static void pass_on(struct guard *guard, int signal)
{
    if (signal == SIGHUP && !guard->options.foreground && !is_first(guard))
        (void)home_detach(store_find(guard->store, GUARD_HOME));
    if (signal != SIGHUP) {
        guard->leaving = signal;
        (void)notify_send("STOPPING=1");
    }
    if (guard->pid)
        (void)kill(guard->pid, signal);
    else if (signal == SIGQUIT)
        leave(guard, EXIT_DONE);
}

static void read_signals(struct guard *guard)
{
    struct signalfd_siginfo info;

    while (read(guard->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(guard);
        else
            pass_on(guard, (int)info.ssi_signo);
    }
}

static int open_signals(void)
{
    static const int numbers[] = { SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT };
    sigset_t set;
    int fd;

    (void)sigemptyset(&set);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)sigaddset(&set, numbers[i]);
    (void)sigprocmask(SIG_SETMASK, &set, NULL);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        (void)signal(numbers[i], SIG_DFL);
    fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* When something is due though nobody says a word; 0: never. */
static int64_t due_ms(const struct guard *guard)
{
    if (!guard->pid)
        return guard->start_at_ms;
    return trial_due_ms(&guard->trial, guard->started_ms, guard->ready_ms);
}

static void act(struct guard *guard)
{
    int64_t due = due_ms(guard);

    if (!due || now_ms() < due)
        return;
    if (!guard->pid) {
        start(guard);
    } else if (guard->ready_ms) {
        take_new_binary(guard);
    } else {
        trial_give_up(&guard->trial);
        guard->started_ms = now_ms(); /* once is enough */
        (void)kill(guard->pid, SIGKILL);
    }
}

static void wait_for_something(struct guard *guard)
{
    struct pollfd fds[] = {
        { .fd = guard->signals, .events = POLLIN },
        { .fd = guard->link, .events = POLLIN },
    };
    int64_t due = due_ms(guard), now = now_ms();
    int timeout = !due ? -1 : due > now ? (int)(due - now) : 0;

    (void)poll(fds, 2, timeout);
}

/* The guard of a supervisor that runs: after an upgrade this is the same process as before. */
static void resume(struct guard *guard)
{
    guard->pid = guard->options.supervisor;
    guard->link = store_take(guard->store, GUARD_LINK);
    guard->ready_ms = guard->started_ms = now_ms();
    guard->options.supervisor = 0;
}

int guard_run(const struct options *options, struct store *store)
{
    struct guard guard = {
        .options = *options, .store = store, .link = -1, .trial = { .previous = -1 }
    };

    guard.options.guard_store = -1;
    (void)prctl(PR_SET_NAME, "opsd");
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    guard.trial.binary = open("/proc/self/exe", O_PATH | O_CLOEXEC);
    guard.signals = open_signals();
    if (guard.trial.binary < 0 || guard.signals < 0) {
        log_error("cannot be a guard", LOG_TEXT("why", strerror(errno)));
        return EXIT_FAILED;
    }
    if (!is_first(&guard))
        log_with_time();
    if (options->supervisor)
        resume(&guard);
    else
        guard.start_at_ms = now_ms();
    while (!guard.over) {
        read_link(&guard);
        read_signals(&guard);
        reap(&guard); /* also those that ended before signals were listened to */
        if (guard.over)
            break;
        act(&guard);
        wait_for_something(&guard);
    }
    return guard.code;
}
