/* What a child has become, as it sees itself; and which step is blamed when it could not. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "become.h"

enum { SAID_MAX = 4096 };

static const struct bounds inherited = {
    .limits = { LIMIT_INHERITED, LIMIT_INHERITED, LIMIT_INHERITED, LIMIT_INHERITED,
                LIMIT_INHERITED },
    .nice = BOUND_INHERITED,
    .oom_score_adj = BOUND_INHERITED,
    .umask = BOUND_INHERITED,
};

/* What it printed, and how it failed: error is 0 when it ran. */
struct outcome {
    char said[SAID_MAX];
    struct become_failure failure;
    pid_t pid;
};

static void read_all(int fd, char said[static SAID_MAX])
{
    size_t n = 0;
    ssize_t got;

    while (n < SAID_MAX - 1 && (got = read(fd, said + n, SAID_MAX - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = '\0';
}

/* Runs a shell script as what. before: what else the child does first; NULL: nothing. */
static struct outcome run(struct become what, const char *script, void (*before)(void))
{
    char *const argv[] = { (char *)"sh", (char *)"-c", (char *)script, NULL };
    static char *const none[] = { NULL };
    struct outcome outcome = { .failure = { .error = 0 } };
    int output[2], report[2], report_fd;

    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    assert_int_equal(pipe2(report, O_CLOEXEC), 0);
    what.argv = argv;
    what.env = what.env ? what.env : none;
    what.cwd = what.cwd ? what.cwd : "/";
    what.out_fd = what.err_fd = output[1];
    /* Where no program's descriptor is put. */
    report_fd = fcntl(report[1], F_DUPFD_CLOEXEC, 100);
    assert_true(report_fd >= 0);
    outcome.pid = fork();
    if (outcome.pid == 0) {
        struct become_failure failure;

        if (before)
            before();
        failure = become(&what, "/bin/sh");
        (void)!write(report_fd, &failure, sizeof failure);
        _exit(127);
    }
    assert_true(outcome.pid > 0);
    (void)close(output[1]);
    (void)close(report[1]);
    (void)close(report_fd);
    (void)!read(report[0], &outcome.failure, sizeof outcome.failure);
    read_all(output[0], outcome.said);
    (void)close(output[0]);
    (void)close(report[0]);
    assert_int_equal(waitpid(outcome.pid, NULL, 0), outcome.pid);
    return outcome;
}

static void assert_says(struct become what, const char *script, const char *wants)
{
    struct outcome outcome = run(what, script, NULL);

    if (outcome.failure.error)
        fail_msg("step %d: %s", (int)outcome.failure.step, strerror(outcome.failure.error));
    assert_string_equal(outcome.said, wants);
}

static void leads_a_group_or_a_session(void **state)
{
    static const char script[] = "set -- $(cat /proc/$$/stat); echo $1 $5 $6";
    int pid, group, session;
    struct outcome outcome;

    (void)state;
    outcome = run((struct become){ .own_session = false }, script, NULL);
    assert_int_equal(sscanf(outcome.said, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(pid, outcome.pid);
    assert_int_equal(group, pid);
    assert_int_equal(session, getsid(0));
    outcome = run((struct become){ .own_session = true }, script, NULL);
    assert_int_equal(sscanf(outcome.said, "%d %d %d", &pid, &group, &session), 3);
    assert_int_equal(group, pid);
    assert_int_equal(session, pid);
}

static void block_and_ignore(void)
{
    /* The kernel's struct sigaction; 33 is one that signal(3) refuses. */
    static const unsigned long ignored[4] = { (unsigned long)SIG_IGN };
    sigset_t all;

    assert_int_equal(syscall(SYS_rt_sigaction, 33, ignored, NULL, sizeof(unsigned long)), 0);
    become_reset_signals();
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
}

static void takes_signals_as_usual(void **state)
{
    struct outcome outcome = run((struct become){ .argv = NULL },
                                 "grep -E '^Sig(Blk|Ign):' /proc/self/status | tr -d '\\t\\n'",
                                 block_and_ignore);

    (void)state;
    assert_string_equal(outcome.said, "SigBlk:0000000000000000SigIgn:0000000000000000");
}

/* A file without a name that holds a text. */
static int file_with(const char *text)
{
    FILE *file = tmpfile();
    int fd;

    assert_non_null(file);
    fd = fcntl(fileno(file), F_DUPFD_CLOEXEC, 3);
    assert_true(fd >= 0);
    (void)fclose(file);
    assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
    return fd;
}

/* Sources whose numbers are others' targets, in a circle, and one that already is where it is to
 * be. */
static void passes_descriptors_whatever_their_numbers(void **state)
{
    static const char script[] =
        "for f in 3 4 5 6; do cat /proc/self/fd/$f; done; for f in 0 1 2 "
        "3 4 5 6 7 8 9 10 11 12; do [ ! -e /proc/$$/fd/$f ] || echo -n ,$f; done";
    static const struct become_fd fds[] = { { 4, 3 }, { 5, 4 }, { 3, 5 }, { 6, 6 } };
    struct become what = { .fds = fds, .fd_count = 4 };
    struct outcome outcome;
    int from[4], stray;

    (void)state;
    for (int i = 0; i < 4; i++) {
        char text[2] = { (char)('a' + i), '\0' };
        int fd = file_with(text);

        from[i] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        (void)close(fd);
    }
    assert_true(dup3(from[2], 3, O_CLOEXEC) == 3 && dup3(from[0], 4, O_CLOEXEC) == 4);
    assert_true(dup3(from[1], 5, O_CLOEXEC) == 5 && dup3(from[3], 6, O_CLOEXEC) == 6);
    stray = dup2(from[0], 12); /* without FD_CLOEXEC, as a library may leave one */
    outcome = run(what, script, NULL);
    (void)close(stray);
    assert_int_equal(outcome.failure.error, 0);
    assert_string_equal(outcome.said, "abcd,0,1,2,3,4,5,6");
    for (int i = 0; i < 4; i++) {
        (void)close(from[i]);
        (void)close(3 + i);
    }
}

static void tells_the_pid_to_which_sockets_belong(void **state)
{
    char entry[] = "LISTEN_PID=00000000000";
    char *const env[] = { entry, NULL };
    struct outcome outcome;
    char wants[32];

    (void)state;
    outcome = run((struct become){ .env = env, .listen_pid = entry + strlen("LISTEN_PID=") },
                  "echo $$ $LISTEN_PID", NULL);
    (void)snprintf(wants, sizeof wants, "%d %d\n", (int)outcome.pid, (int)outcome.pid);
    assert_string_equal(outcome.said, wants);
}

static void keeps_within_its_bounds(void **state)
{
    struct bounds bounds = inherited;

    (void)state;
    bounds.umask = 027;
    bounds.nice = 7;
    bounds.oom_score_adj = 900;
    bounds.no_new_privs = true;
    bounds.limits[LIMIT_NOFILE] = 77;
    bounds.limits[LIMIT_CORE] = 0;
    bounds.limits[LIMIT_CPU] = 1000;
    assert_says(
        (struct become){ .bounds = &bounds },
        "umask; ulimit -n; ulimit -Hn; ulimit -c; ulimit -t; cat /proc/self/oom_score_adj;"
        "grep -o 'NoNewPrivs:.*' /proc/self/status; set -- $(cat /proc/$$/stat); echo ${19}",
        "0027\n77\n77\n0\n1000\n900\nNoNewPrivs:\t1\n7\n");
}

static void inherits_what_is_not_bound(void **state)
{
    static const char script[] = "umask; ulimit -n; ulimit -c; cat /proc/self/oom_score_adj";
    struct outcome without = run((struct become){ .bounds = NULL }, script, NULL);
    struct outcome with = run((struct become){ .bounds = &inherited }, script, NULL);

    (void)state;
    assert_string_equal(with.said, without.said);
    assert_int_equal(with.failure.error, 0);
}

static void join_a_group(void)
{
    gid_t group = 4;

    (void)!setgroups(1, &group);
}

static void becomes_its_user(void **state)
{
    struct credentials who;
    struct err why;
    struct outcome outcome;
    char wants[64];

    (void)state;
    if (geteuid() != 0 || !getpwnam("nobody"))
        skip();
    assert_int_equal(credentials_resolve("nobody", NULL, &who, &why), 0);
    assert_true(who.change && who.group_count >= 1);
    (void)snprintf(wants, sizeof wants, "%d %d %d\n", (int)who.uid, (int)who.gid, (int)who.gid);
    outcome = run((struct become){ .who = &who }, "echo $(id -u) $(id -g) $(id -G)", join_a_group);
    assert_string_equal(outcome.said, wants);
    /* A folder that only root may enter: it is entered as the user. */
    outcome = run((struct become){ .who = &who, .cwd = "/root" }, "pwd", NULL);
    if (access("/root", X_OK) == 0 && outcome.failure.error)
        assert_int_equal(outcome.failure.step, STEP_CWD);
    credentials_done(&who);
    assert_int_equal(credentials_resolve("nobody", "daemon", &who, &why), 0);
    assert_string_equal(who.group, "daemon");
    (void)snprintf(wants, sizeof wants, "%d %d\n", (int)who.uid, (int)getgrnam("daemon")->gr_gid);
    assert_says((struct become){ .who = &who }, "echo $(id -u) $(id -g)", wants);
    credentials_done(&who);
}

static void leave_root(void)
{
    struct rlimit few = { 1000, 1000 };

    (void)setrlimit(RLIMIT_NOFILE, &few);
    if (geteuid() == 0)
        (void)!setresuid(65534, 65534, 65534);
}

/* clang-format off */
static const struct {
    const char *title, *cwd;
    struct credentials who;
    struct bounds bounds;
    struct become_fd fd;
    const char *wants;
} failures[] = {
    { "no folder", "/nowhere", { 0 }, { { 0 } }, { -1, -1 },
      "cannot enter the folder /nowhere: No such file or directory" },
    { "a user that it cannot be", NULL, { .change = true, .uid = 1, .gid = 65534, .user = (char *)"daemon" },
      { { 0 } }, { -1, -1 }, "cannot become group daemon: Operation not permitted" },
    { "a limit above its own", NULL, { 0 }, { .limits = { 5000 } }, { -1, -1 },
      "cannot set the limit nofile to 5000: Operation not permitted" },
    { "no limit at all", NULL, { 0 }, { .limits = { LIMIT_NONE } }, { -1, -1 },
      "cannot set the limit nofile to unlimited: Operation not permitted" },
    { "a priority above its own", NULL, { 0 }, { .nice = -5 }, { -1, -1 },
      "cannot set nice to -5: Permission denied" },
    { "spared when memory runs out", NULL, { 0 }, { .oom_score_adj = -1000 }, { -1, -1 },
      "cannot set oom_score_adj to -1000: Permission denied" },
    { "a descriptor that is none", NULL, { 0 }, { { 0 } }, { 900, 5 },
      "cannot pass descriptor 5: Bad file descriptor" },
    { "a descriptor beyond the limit", NULL, { 0 }, { { 0 } }, { 1, 5000 },
      "cannot pass descriptor 5000: Bad file descriptor" },
};
/* clang-format on */

static void blames_the_step_that_failed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++) {
        struct bounds bounds = inherited;
        struct become what = { .cwd = failures[i].cwd,
                               .who = &failures[i].who,
                               .bounds = &bounds,
                               .fds = &failures[i].fd,
                               .fd_count = failures[i].fd.to >= 0 };
        struct outcome outcome;
        struct err why;

        if (failures[i].bounds.limits[0])
            bounds.limits[0] = failures[i].bounds.limits[0];
        if (failures[i].bounds.nice)
            bounds.nice = failures[i].bounds.nice;
        if (failures[i].bounds.oom_score_adj)
            bounds.oom_score_adj = failures[i].bounds.oom_score_adj;
        outcome = run(what, "echo ran", leave_root);
        if (!outcome.failure.error)
            fail_msg("%s: it ran", failures[i].title);
        what.cwd = failures[i].cwd ? failures[i].cwd : "/";
        assert_int_equal(become_explain(&what, "/bin/sh", outcome.failure, &why),
                         -outcome.failure.error);
        assert_string_equal(why.text, failures[i].wants);
        assert_string_equal(outcome.said, "");
    }
}

static void explains_also_what_it_was_not_told(void **state)
{
    const struct become what = { .cwd = "/" };
    struct err why;

    (void)state;
    for (int step = STEP_CWD; step <= STEP_PRIVILEGES + 1; step++)
        for (int which = -1; which <= LIMIT_COUNT; which++) {
            struct become_failure failure = { (enum become_step)step, EPERM, which };

            assert_int_equal(become_explain(&what, "x", failure, &why), -EPERM);
            assert_non_null(strstr(why.text, "Operation not permitted"));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leads_a_group_or_a_session),
        cmocka_unit_test(takes_signals_as_usual),
        cmocka_unit_test(passes_descriptors_whatever_their_numbers),
        cmocka_unit_test(tells_the_pid_to_which_sockets_belong),
        cmocka_unit_test(keeps_within_its_bounds),
        cmocka_unit_test(inherits_what_is_not_bound),
        cmocka_unit_test(becomes_its_user),
        cmocka_unit_test(blames_the_step_that_failed),
        cmocka_unit_test(explains_also_what_it_was_not_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
