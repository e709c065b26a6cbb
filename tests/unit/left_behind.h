#ifndef TEST_LEFT_BEHIND_H
#define TEST_LEFT_BEHIND_H
/*
 * A keeper whose opsd was killed.
 */
#include "keepers_world.h"

#include "keeper_held.h"

#define IDLE "while :; do sleep 120 & wait; done"

/* --- an opsd that is killed */

struct left_behind {
    struct keeper_identity identity;
    struct keeper_report report;
};

/* Forks a process that forks a keeper, waits for a phase, and is killed. */
static inline struct left_behind leave_behind(struct world *world, const char *script,
                                              enum keeper_phase phase)
{
    struct left_behind left = { .identity = { .file = "w-0" } };
    int said[2];
    pid_t opsd;

    assert_int_equal(pipe2(said, O_CLOEXEC), 0);
    opsd = fork();
    if (opsd == 0) {
        struct world own = *world;
        struct job job;

        if (open_world_at(&own) < 0)
            _exit(1);
        job_start(&job, &own, script);
        wait_for(&own, job_heard(&job, phase));
        left.identity.pid = job.keeper->pid;
        left.identity.start = job.keeper->start;
        left.report = job.report;
        (void)!write(said[1], &left, sizeof left);
        (void)raise(SIGKILL);
    }
    (void)close(said[1]);
    assert_int_equal(read(said[0], &left, sizeof left), sizeof left);
    assert_int_equal(waitpid(opsd, NULL, 0), opsd);
    (void)close(said[0]);
    return left;
}

static inline int adopt(struct job *job, struct world *world, const struct left_behind *left,
                        struct keeper_report *last)
{
    *job = (struct job){ .world = world, .out = -1, .err = -1 };
    return keeper_adopt(&world->keepers, &left->identity, job, &job->keeper, last);
}

static inline void take_pipes(struct job *job, const struct left_behind *left)
{
    job->out = keeper_held_open(left->identity.pid, left->identity.start, KEEPER_OUT_FD);
    job->err = keeper_held_open(left->identity.pid, left->identity.start, KEEPER_ERR_FD);
    assert_true(job->out >= 0 && job->err >= 0);
}

static inline bool is_alive_too(void *context, const char *file, const struct keeper_report *report)
{
    (void)context;
    assert_non_null(file);
    assert_true(is_alive(report->keeper));
    return false;
}

static inline bool any_alive(const struct world *world)
{
    return keepers_each(&world->keepers, is_alive_too, NULL);
}

#endif
