/* Control groups: real ones, where they can be made; else that all does without them. */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cgroup.h"
#include "cgroup_vfork.h"
#include "instant.h"

enum { PATIENCE_MS = 30000 };

struct world {
    char root[64];
    int home_fd;
    struct cgroups cgroups;
};

static int open_world(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    *state = world;
    (void)snprintf(world->root, sizeof world->root, "/tmp/test_cgroup.XXXXXX");
    if (!mkdtemp(world->root))
        return -1;
    world->home_fd = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cgroups_open(&world->cgroups, world->home_fd);
    return 0;
}

static int close_world(void **state)
{
    struct world *world = *state;
    char *path = world->cgroups.path ? strdup(world->cgroups.path) : NULL;
    int left;

    cgroups_close(&world->cgroups, world->home_fd);
    (void)close(world->home_fd);
    left = path && access(path, F_OK) == 0;
    if (rmdir(world->root) < 0)
        left = 1;
    free(path);
    free(world);
    return left ? -1 : 0;
}

static bool has_groups(const struct world *world)
{
    if (world->cgroups.fd >= 0)
        return true;
    print_message("skipped, no writable cgroup v2\n");
    return false;
}

#define wait_for(condition)                                    \
    do {                                                       \
        uint64_t until_ = monotonic_now_ms() + PATIENCE_MS;    \
        while (!(condition)) {                                 \
            if (monotonic_now_ms() > until_)                   \
                fail_msg("waited in vain for %s", #condition); \
            (void)usleep(1000);                                \
        }                                                      \
    } while (0)

/* --- children */

static _Noreturn void run_script(void *script)
{
    (void)execl("/bin/sh", "sh", "-c", (char *)script, NULL);
    _exit(127);
}

static void make(const struct world *world, const char *name)
{
    assert_int_equal(mkdirat(world->cgroups.fd, name, 0755), 0);
}

static pid_t start(struct world *world, const char *name, const char *script)
{
    struct err why;
    pid_t pid;
    int fd;

    assert_int_equal(cgroups_folder(&world->cgroups, NULL, &fd, &why), 0);
    pid = cgroup_vfork(fd, name, run_script, (void *)(uintptr_t)script);
    assert_true(pid > 0);
    return pid;
}

/* How many processes the group has. */
static int count_in(const struct world *world, const char *name)
{
    char path[300];
    FILE *file;
    int n = 0, pid;

    (void)snprintf(path, sizeof path, "%s/%s/cgroup.procs", world->cgroups.path, name);
    file = fopen(path, "re");
    while (file && fscanf(file, "%d", &pid) == 1)
        n++;
    if (file)
        (void)fclose(file);
    return n;
}

static int signal_of(pid_t pid)
{
    int status;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* --- the tests */

static void a_child_is_born_in_its_group(void **state)
{
    struct world *world = *state;
    pid_t pid;

    if (!has_groups(world))
        return;
    pid = start(world, "w-0", "exec sleep 1000");
    assert_int_equal(count_in(world, "w-0"), 1);
    assert_false(cgroup_clear(&world->cgroups, "w-0"));
    assert_int_equal(signal_of(pid), SIGKILL);
    assert_true(cgroup_clear(&world->cgroups, "w-0"));
    assert_int_equal(count_in(world, "w-0"), 0);
}

static void without_a_group_it_is_an_ordinary_vfork(void **state)
{
    pid_t pid = cgroup_vfork(-1, NULL, run_script, (void *)(uintptr_t) "exit 3");
    int status;

    (void)state;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    /* No folder of groups at all. */
    pid = cgroup_vfork(STDIN_FILENO, "w-0", run_script, (void *)(uintptr_t) "exit 4");
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 4);
}

static void whatever_it_started_is_killed_and_nothing_else(void **state)
{
    struct world *world = *state;
    pid_t pid, other;

    if (!has_groups(world))
        return;
    other = start(world, "other-0", "exec sleep 1000");
    pid = start(world, "w-0",
                "env -i setsid sh -c 'trap \"\" TERM; sleep 1000 & sleep 1000' & exec sleep 1000");
    wait_for(count_in(world, "w-0") == 4);
    cgroup_kill(&world->cgroups, "w-0");
    assert_int_equal(signal_of(pid), SIGKILL);
    wait_for(cgroup_clear(&world->cgroups, "w-0"));
    assert_int_equal(waitpid(other, NULL, WNOHANG), 0);
    cgroup_kill(&world->cgroups, "other-0");
    assert_int_equal(signal_of(other), SIGKILL);
    wait_for(cgroup_clear(&world->cgroups, "other-0"));
}

static void what_an_earlier_process_left_is_killed_before_the_next_enters(void **state)
{
    struct world *world = *state;
    struct err why;
    pid_t pid;
    int fd = -1;

    if (!has_groups(world))
        return;
    pid = start(world, "w-0", "exec sleep 1000");
    assert_int_equal(cgroups_folder(&world->cgroups, "w-0", &fd, &why), -EBUSY);
    assert_int_equal(fd, -1);
    assert_int_equal(signal_of(pid), SIGKILL);
    assert_int_equal(cgroups_folder(&world->cgroups, "w-0", &fd, &why), 0);
    assert_int_equal(fd, world->cgroups.fd);
    /* What is there and empty is used. */
    make(world, "w-0");
    pid = start(world, "w-0", "exec sleep 1000");
    assert_int_equal(count_in(world, "w-0"), 1);
    assert_false(cgroup_clear(&world->cgroups, "w-0"));
    assert_int_equal(signal_of(pid), SIGKILL);
    assert_true(cgroup_clear(&world->cgroups, "w-0"));
}

static void groups_within_it_go_with_it(void **state)
{
    struct world *world = *state;
    char path[300];

    if (!has_groups(world))
        return;
    make(world, "w-0");
    (void)snprintf(path, sizeof path, "%s/w-0/inner", world->cgroups.path);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_true(cgroup_clear(&world->cgroups, "w-0"));
    assert_int_equal(access(path, F_OK), -1);
}

static bool is_w(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "w-0") == 0;
}

static void a_sweep_clears_what_nobody_owns(void **state)
{
    struct world *world = *state;
    struct world later = *world;
    pid_t kept, left;

    if (!has_groups(world))
        return;
    kept = start(world, "w-0", "exec sleep 1000");
    left = start(world, "left-0", "exec sleep 1000");
    make(world, "empty-0");
    cgroups_open(&later.cgroups, world->home_fd);
    assert_string_equal(later.cgroups.path, world->cgroups.path);
    assert_false(cgroups_sweep(&later.cgroups, is_w, NULL));
    assert_int_equal(signal_of(left), SIGKILL);
    wait_for(cgroups_sweep(&later.cgroups, is_w, NULL));
    assert_int_equal(waitpid(kept, NULL, WNOHANG), 0);
    assert_int_equal(count_in(world, "w-0"), 1);
    cgroup_kill(&later.cgroups, "w-0");
    assert_int_equal(signal_of(kept), SIGKILL);
    wait_for(cgroup_clear(&later.cgroups, "w-0"));
    cgroups_close(&later.cgroups, world->home_fd);
}

static void empty_folders_of_homes_that_are_gone_are_removed(void **state)
{
    struct world *world = *state;
    struct world later = { .home_fd = world->home_fd };
    static const char *const names[] = { "ops-1-a-b", "ops-1-a-b-c", "ops-1-a" };
    int base;

    if (!has_groups(world))
        return;
    base = openat(world->cgroups.fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(mkdirat(base, names[i], 0755), 0);
    cgroups_open(&later.cgroups, later.home_fd);
    assert_int_equal(faccessat(base, names[0], F_OK, 0), -1);
    /* One that is used, if only by an opsd that has nothing to run, stays. */
    assert_int_equal(access(world->cgroups.path, F_OK), 0);
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(unlinkat(base, names[i], AT_REMOVEDIR), 0);
    cgroups_close(&later.cgroups, later.home_fd);
    (void)close(base);
}

static void a_folder_that_was_tidied_away_is_made_again(void **state)
{
    struct world *world = *state;
    pid_t pid;

    if (!has_groups(world))
        return;
    assert_int_equal(rmdir(world->cgroups.path), 0);
    pid = start(world, "w-0", "exit 0");
    assert_int_equal(signal_of(pid), 0);
    assert_int_equal(access(world->cgroups.path, F_OK), 0);
    assert_true(cgroup_clear(&world->cgroups, "w-0"));
}

/* As one that was started by a worker of the fleet. */
static void the_group_that_we_are_in_is_never_killed(void **state)
{
    struct world *world = *state;
    struct world inner = { .home_fd = world->home_fd };
    int status, fd;
    pid_t pid;

    if (!has_groups(world))
        return;
    pid = fork();
    if (pid == 0) {
        char path[300];

        make(world, "w-0");
        (void)snprintf(path, sizeof path, "%s/w-0/cgroup.procs", world->cgroups.path);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (write(fd, "0", 1) != 1)
            _exit(2);
        cgroups_open(&inner.cgroups, inner.home_fd);
        if (strcmp(inner.cgroups.path, world->cgroups.path) != 0)
            _exit(3);
        cgroup_kill(&inner.cgroups, "w-0");
        (void)cgroup_clear(&inner.cgroups, "w-0");
        (void)cgroups_sweep(&inner.cgroups, NULL, NULL);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    wait_for(cgroup_clear(&world->cgroups, "w-0"));
}

static void an_opsd_that_is_started_elsewhere_finds_them(void **state)
{
    struct world *world = *state;
    struct world later = { .home_fd = world->home_fd };
    char base[200], path[300];
    pid_t left, pid;
    int status, fd;

    if (!has_groups(world))
        return;
    left = start(world, "left-0", "exec sleep 1000");
    (void)snprintf(base, sizeof base, "%.*s/test-elsewhere-%d",
                   (int)(strrchr(world->cgroups.path, '/') - world->cgroups.path),
                   world->cgroups.path, (int)getpid());
    assert_int_equal(mkdir(base, 0755), 0);
    pid = fork();
    if (pid == 0) {
        (void)snprintf(path, sizeof path, "%s/cgroup.procs", base);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        if (write(fd, "0", 1) != 1)
            _exit(2);
        cgroups_open(&later.cgroups, later.home_fd);
        if (strcmp(later.cgroups.path, world->cgroups.path) == 0)
            _exit(3);
        while (!cgroup_clear(&later.cgroups, "left-0"))
            (void)usleep(1000);
        cgroups_close(&later.cgroups, later.home_fd);
        _exit(0);
    }
    assert_int_equal(signal_of(left), SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(count_in(world, "left-0"), 0);
    wait_for(rmdir(base) == 0);
}

/* --- what systemd hands on */

static void read_first_word(int folder, const char *file, char word[64])
{
    int fd = openat(folder, file, O_RDONLY | O_CLOEXEC);
    ssize_t n = read(fd, word, 63);

    (void)close(fd);
    word[n > 0 ? n : 0] = '\0';
    word[strcspn(word, " \n")] = '\0';
}

/* The guard and the supervisor, both of them us. Leaves by its exit code. */
static _Noreturn void live_in(struct world *world, int base, const char *controller)
{
    struct world again = { .home_fd = world->home_fd }, own = again;
    char word[64];
    int fd;

    fd = openat(base, "cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (write(fd, "0", 1) != 1)
        _exit(2);
    cgroups_open(&own.cgroups, own.home_fd);
    cgroups_delegate(&own.cgroups, getpid(), controller);
    read_first_word(base, "cgroup.subtree_control", word);
    if (strcmp(word, controller) != 0)
        _exit(3);
    make(&own, "w-0");
    read_first_word(own.cgroups.fd, "w-0/cgroup.controllers", word);
    if (strcmp(word, controller) != 0)
        _exit(4);
    (void)cgroup_clear(&own.cgroups, "w-0");
    /* A supervisor that comes later begins there. */
    cgroups_open(&again.cgroups, again.home_fd);
    if (strcmp(again.cgroups.path, own.cgroups.path) != 0 || !again.cgroups.own[0])
        _exit(5);
    cgroups_sweep(&again.cgroups, NULL, NULL);
    _exit(0);
}

static void memory_is_counted_where_the_whole_group_is_ours(void **state)
{
    struct world *world = *state;
    char controller[64], name[64], path[300], *rest;
    int above, base, status;
    pid_t pid;

    if (!has_groups(world))
        return;
    above = openat(world->cgroups.fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    read_first_word(above, "cgroup.subtree_control", controller);
    if (!controller[0]) {
        print_message("skipped, no controller is handed down\n");
        (void)close(above);
        return;
    }
    (void)snprintf(name, sizeof name, "test-delegated-%d", (int)getpid());
    assert_int_equal(mkdirat(above, name, 0755), 0);
    base = openat(above, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(fsetxattr(base, "user.delegate", "1", 1, 0), 0);
    pid = fork();
    if (pid == 0)
        live_in(world, base, controller);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    (void)snprintf(path, sizeof path, "%s/~opsd", strrchr(world->cgroups.path, '/') + 1);
    assert_int_equal(unlinkat(base, path, AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(base, strtok_r(path, "/", &rest), AT_REMOVEDIR), 0);
    (void)close(base);
    assert_int_equal(unlinkat(above, name, AT_REMOVEDIR), 0);
    (void)close(above);
}

/* --- what is counted: where a controller is not enabled, the files are our own */

static void write_file(const struct world *world, const char *name, const char *text)
{
    int fd = openat(world->home_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    (void)close(fd);
}

static void memory_and_time_are_those_of_the_group(void **state)
{
    struct world *world = *state;
    const struct cgroups cgroups = { .fd = world->home_fd, .before_fd = -1 };
    struct cgroup_usage usage;

    assert_int_equal(mkdirat(world->home_fd, "w-0", 0755), 0);
    cgroup_usage(&cgroups, "w-0", &usage);
    assert_int_equal(usage.cpu_ms, -1);
    assert_int_equal(usage.memory_bytes, -1);
    write_file(world, "w-0/cpu.stat", "usage_usec 12345678\nuser_usec 1\n");
    write_file(world, "w-0/memory.stat", "anon 5242880\nfile 99\n");
    cgroup_usage(&cgroups, "w-0", &usage);
    assert_int_equal(usage.cpu_ms, 12345);
    assert_int_equal(usage.memory_bytes, 5 << 20);
    (void)unlinkat(world->home_fd, "w-0/cpu.stat", 0);
    (void)unlinkat(world->home_fd, "w-0/memory.stat", 0);
    (void)unlinkat(world->home_fd, "w-0", AT_REMOVEDIR);
}

static void without_groups_nothing_is_left_in_any(void **state)
{
    struct cgroups none = { .fd = -1, .before_fd = -1 };
    struct cgroup_usage usage;
    struct err why;
    int fd = 0;

    (void)state;
    assert_int_equal(cgroups_folder(&none, "w-0", &fd, &why), 0);
    assert_int_equal(fd, -1);
    cgroup_kill(&none, "w-0");
    assert_true(cgroup_clear(&none, "w-0"));
    assert_null(cgroup_path(&none, "w-0"));
    assert_true(cgroups_sweep(&none, is_w, NULL));
    cgroup_usage(&none, "w-0", &usage);
    assert_int_equal(usage.cpu_ms, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_world, close_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_child_is_born_in_its_group),
        TEST(without_a_group_it_is_an_ordinary_vfork),
        TEST(whatever_it_started_is_killed_and_nothing_else),
        TEST(what_an_earlier_process_left_is_killed_before_the_next_enters),
        TEST(groups_within_it_go_with_it),
        TEST(a_sweep_clears_what_nobody_owns),
        TEST(empty_folders_of_homes_that_are_gone_are_removed),
        TEST(a_folder_that_was_tidied_away_is_made_again),
        TEST(the_group_that_we_are_in_is_never_killed),
        TEST(an_opsd_that_is_started_elsewhere_finds_them),
        TEST(memory_is_counted_where_the_whole_group_is_ours),
        TEST(memory_and_time_are_those_of_the_group),
        TEST(without_groups_nothing_is_left_in_any),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
