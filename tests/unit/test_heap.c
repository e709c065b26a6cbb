/* What a keeper is forked with: a packed task that holds everything, and no heap. */
#include "keepers_world.h"

#include "heap.h"
#include "launch.h"

#if defined(__SANITIZE_ADDRESS__)
enum { SANITIZED = 1 }; /* their malloc takes nothing from the heap */
#else
enum { SANITIZED = 0 };
#endif

static void assert_texts(char *const *got, char *const *want)
{
    assert_ptr_not_equal(got, want);
    for (; *want; got++, want++) {
        assert_string_equal(*got, *want);
        assert_ptr_not_equal(*got, *want);
    }
    assert_null(*got);
}

static void everything_is_copied(void **state)
{
    char *const argv[] = { (char *)"sh", (char *)"", (char *)"-c", (char *)"a b", NULL };
    char listen[] = "LISTEN_PID=00000000000";
    char *const env[] = { (char *)"A=1", listen, (char *)"B=", (char *)"LISTEN_PID2=x", NULL };
    const struct become_fd fds[] = { { 7, 3 }, { 8, 4 }, { 9, 17 } };
    gid_t groups[] = { 1, 22, 333 };
    struct credentials who = {
        .change = true, .uid = 5, .gid = 6, .groups = groups, .group_count = 3
    };
    struct bounds bounds = { .nice = 3, .oom_score_adj = 4, .umask = 022, .no_new_privs = true };
    struct keeper_task task = { .name = "name",
                                .file = "file",
                                .program = "/bin/sh",
                                .spare_strays = true,
                                .become = { .argv = argv,
                                            .env = env,
                                            .cwd = "/srv",
                                            .out_fd = 10,
                                            .err_fd = 11,
                                            .fds = fds,
                                            .fd_count = 3,
                                            .listen_pid = listen + 11,
                                            .who = &who,
                                            .bounds = &bounds } };
    const struct keeper_task *packed;
    const struct become *become;
    struct err why;

    (void)state;
    bounds.limits[LIMIT_NOFILE] = 99;
    packed = launch_pack(&task, &why);
    assert_non_null(packed);
    become = &packed->become;
    assert_string_equal(packed->name, "name");
    assert_string_equal(packed->program, "/bin/sh");
    assert_ptr_not_equal(packed->name, task.name);
    assert_ptr_not_equal(packed->program, task.program);
    assert_true(packed->spare_strays);
    assert_texts(become->argv, argv);
    assert_texts(become->env, env);
    assert_string_equal(become->cwd, "/srv");
    assert_ptr_not_equal(become->cwd, task.become.cwd);
    assert_int_equal(become->out_fd, 10);
    assert_int_equal(become->err_fd, 11);
    assert_ptr_not_equal(become->fds, fds);
    assert_memory_equal(become->fds, fds, sizeof fds);
    assert_ptr_not_equal(become->who, &who);
    assert_int_equal(become->who->uid, 5);
    assert_int_equal(become->who->gid, 6);
    assert_int_equal(become->who->group_count, 3);
    assert_ptr_not_equal(become->who->groups, groups);
    assert_memory_equal(become->who->groups, groups, sizeof groups);
    assert_ptr_not_equal(become->bounds, &bounds);
    assert_memory_equal(become->bounds, &bounds, sizeof bounds);

    /* The pid is written where the copy of the environment has it. */
    assert_ptr_equal(become->listen_pid, become->env[1] + 11);
    (void)snprintf(become->listen_pid, PID_TEXT_MAX, "%d", INT32_MAX);
    assert_string_equal(become->env[1], "LISTEN_PID=2147483647");
    assert_string_equal(become->env[2], "B=");
    assert_string_equal(listen, "LISTEN_PID=00000000000");
}

static void what_is_not_there_stays_away(void **state)
{
    char *const none[] = { NULL };
    struct credentials who = { .change = false };
    struct keeper_task task = { .name = "n",
                                .program = "p",
                                .become = { .argv = none, .env = none, .cwd = "/" } };
    const struct keeper_task *packed;
    struct err why;

    (void)state;
    packed = launch_pack(&task, &why);
    assert_non_null(packed);
    assert_null(packed->become.argv[0]);
    assert_null(packed->become.env[0]);
    assert_null(packed->become.fds);
    assert_null(packed->become.who);
    assert_null(packed->become.bounds);
    assert_null(packed->become.listen_pid);
    task.become.who = &who;
    packed = launch_pack(&task, &why);
    assert_non_null(packed->become.who);
    assert_null(packed->become.who->groups);
}

static void what_is_too_long_is_refused(void **state)
{
    struct err why = { "" };
    char **many = calloc(100001, sizeof *many);
    char *const none[] = { NULL };
    struct keeper_task task = { .name = "n",
                                .program = "p",
                                .become = { .argv = none, .env = none, .cwd = "/" } };
    char *text = malloc(8 << 20);

    (void)state;
    assert_non_null(many);
    assert_non_null(text);
    memset(text, 'x', (8 << 20) - 1);
    text[(8 << 20) - 1] = '\0';
    many[0] = text;
    task.become.env = many;
    assert_null(launch_pack(&task, &why));
    assert_non_null(strstr(why.text, "too long"));
    /* Many that are short take room, too. */
    text[150] = '\0';
    for (size_t i = 0; i < 100000; i++)
        many[i] = text;
    assert_null(launch_pack(&task, &why));
    many[10] = NULL;
    assert_non_null(launch_pack(&task, &why));
    task.become.env = none;
    task.become.cwd = text;
    text[150] = 'x';
    assert_null(launch_pack(&task, &why));
    free(text);
    free(many);
}

/* --- in a real keeper */

static bool maps_hold(pid_t pid, const char *what)
{
    char path[64], line[512];
    bool found = false;
    FILE *file;

    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    file = fopen(path, "re");
    assert_non_null(file);
    while (fgets(line, sizeof line, file))
        found |= strstr(line, what) != NULL;
    (void)fclose(file);
    return found;
}

static void a_keeper_has_no_heap(void **state)
{
    struct world *world = *state;
    struct job job;
    char *large;

    if (SANITIZED)
        skip();
    large = malloc(1 << 20);
    assert_non_null(large);
    memset(large, 1, 1 << 20);
    job_start(&job, world, "echo up; exec sleep 120");
    wait_for(world, job_said(&job, "up"));
    wait_for(world, job_heard(&job, KEEPER_RUNS));
    assert_true(maps_hold(getpid(), "[heap]"));
    assert_false(maps_hold(job.keeper->pid, "[heap]"));
    assert_int_equal(keeper_order(job.keeper, KEEPER_KILL), 0);
    wait_for(world, job_heard(&job, KEEPER_EMPTY));
    job_end(&job);
    free(large);
}

/* A probe is forked as always, and has it all. */
static void others_have_it_all(void **state)
{
    static char kept[HEAP_PAGE_BYTES] __attribute__((aligned(HEAP_PAGE_BYTES)));
    static char word[HEAP_PAGE_BYTES]; /* as large, so that it is on other pages, too */
    char *text = strdup("text");
    int status;
    pid_t pid;

    (void)state;
    word[0] = 'w';
    heap_stay_behind(kept, sizeof kept);
    heap_come_along();
    pid = fork();
    if (pid == 0)
        _exit(strcmp(text, "text") == 0 && word[0] == 'w' ? 3 : 4);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 3 << 8);
    free(text);
}

static int begin(void **state)
{
    (void)state;
    heap_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_copied),
        cmocka_unit_test(what_is_not_there_stays_away),
        cmocka_unit_test(what_is_too_long_is_refused),
        cmocka_unit_test_setup_teardown(a_keeper_has_no_heap, open_world, close_world),
        cmocka_unit_test(others_have_it_all),
    };

    return cmocka_run_group_tests_name("heap", tests, begin, NULL);
}
