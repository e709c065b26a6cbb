/* The table of states: every cell of it, and what no cell may say. */
#include "test.h"

#include <stdbool.h>

#include "state.h"

/* What the table should hold, written a second time on purpose: an edge that appears or goes must
 * be meant. Everything that is not listed means nothing. */
/* clang-format off */
static const struct {
    enum state state;
    enum event event;
    enum state next;
    enum action action;
} wanted[] = {
    { STATE_STOPPED,   EVENT_START,    STATE_WAITING,   DO_NOTHING },
    { STATE_STOPPED,   EVENT_RESTART,  STATE_WAITING,   DO_NOTHING },

    { STATE_WAITING,   EVENT_STOP,     STATE_STOPPED,   DO_NOTHING },
    { STATE_WAITING,   EVENT_GO,       STATE_LAUNCHING, DO_SPAWN },
    { STATE_WAITING,   EVENT_PLAN,     STATE_SCHEDULED, DO_NOTHING },

    { STATE_SCHEDULED, EVENT_STOP,     STATE_STOPPED,   DO_NOTHING },
    { STATE_SCHEDULED, EVENT_RESTART,  STATE_WAITING,   DO_NOTHING },
    { STATE_SCHEDULED, EVENT_HOLD,     STATE_WAITING,   DO_NOTHING },
    { STATE_SCHEDULED, EVENT_GO,       STATE_LAUNCHING, DO_SPAWN },

    { STATE_LAUNCHING, EVENT_STOP,     STATE_STOPPING,  DO_SIGNAL },
    { STATE_LAUNCHING, EVENT_RESTART,  STATE_STOPPING,  DO_SIGNAL },
    { STATE_LAUNCHING, EVENT_HOLD,     STATE_STOPPING,  DO_SIGNAL },
    { STATE_LAUNCHING, EVENT_READY,    STATE_ONLINE,    DO_NOTHING },
    { STATE_LAUNCHING, EVENT_LATE,     STATE_STOPPING,  DO_SIGNAL },
    { STATE_LAUNCHING, EVENT_OVERTIME, STATE_STOPPING,  DO_SIGNAL },
    { STATE_LAUNCHING, EVENT_ENDED,    STATE_STOPPED,   DO_NOTHING },
    { STATE_LAUNCHING, EVENT_RAN,      STATE_SCHEDULED, DO_NOTHING },
    { STATE_LAUNCHING, EVENT_RETRY,    STATE_BACKOFF,   DO_NOTHING },
    { STATE_LAUNCHING, EVENT_RESUME,   STATE_WAITING,   DO_NOTHING },
    { STATE_LAUNCHING, EVENT_GAVE_UP,  STATE_ERRORED,   DO_NOTHING },

    { STATE_ONLINE,    EVENT_STOP,     STATE_STOPPING,  DO_SIGNAL },
    { STATE_ONLINE,    EVENT_RESTART,  STATE_STOPPING,  DO_SIGNAL },
    { STATE_ONLINE,    EVENT_HOLD,     STATE_STOPPING,  DO_SIGNAL },
    { STATE_ONLINE,    EVENT_OVERTIME, STATE_STOPPING,  DO_SIGNAL },
    { STATE_ONLINE,    EVENT_SILENT,   STATE_STOPPING,  DO_ABORT },
    { STATE_ONLINE,    EVENT_ENDED,    STATE_STOPPED,   DO_NOTHING },
    { STATE_ONLINE,    EVENT_RAN,      STATE_SCHEDULED, DO_NOTHING },
    { STATE_ONLINE,    EVENT_RETRY,    STATE_BACKOFF,   DO_NOTHING },
    { STATE_ONLINE,    EVENT_RESUME,   STATE_WAITING,   DO_NOTHING },
    { STATE_ONLINE,    EVENT_GAVE_UP,  STATE_ERRORED,   DO_NOTHING },

    { STATE_STOPPING,  EVENT_FORCE,    STATE_STOPPING,  DO_KILL },
    { STATE_STOPPING,  EVENT_ENDED,    STATE_STOPPED,   DO_NOTHING },
    { STATE_STOPPING,  EVENT_RAN,      STATE_SCHEDULED, DO_NOTHING },
    { STATE_STOPPING,  EVENT_RETRY,    STATE_BACKOFF,   DO_NOTHING },
    { STATE_STOPPING,  EVENT_RESUME,   STATE_WAITING,   DO_NOTHING },
    { STATE_STOPPING,  EVENT_GAVE_UP,  STATE_ERRORED,   DO_NOTHING },

    { STATE_BACKOFF,   EVENT_START,    STATE_WAITING,   DO_NOTHING },
    { STATE_BACKOFF,   EVENT_STOP,     STATE_STOPPED,   DO_NOTHING },
    { STATE_BACKOFF,   EVENT_RESTART,  STATE_WAITING,   DO_NOTHING },
    { STATE_BACKOFF,   EVENT_HOLD,     STATE_WAITING,   DO_NOTHING },
    { STATE_BACKOFF,   EVENT_GO,       STATE_LAUNCHING, DO_SPAWN },

    { STATE_ERRORED,   EVENT_START,    STATE_WAITING,   DO_NOTHING },
    { STATE_ERRORED,   EVENT_STOP,     STATE_STOPPED,   DO_NOTHING },
    { STATE_ERRORED,   EVENT_RESTART,  STATE_WAITING,   DO_NOTHING },
    { STATE_ERRORED,   EVENT_GO,       STATE_LAUNCHING, DO_SPAWN },
};
/* clang-format on */

static struct edge wanted_edge(enum state state, enum event event)
{
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        if (wanted[i].state == state && wanted[i].event == event)
            return (struct edge){ wanted[i].next, wanted[i].action };
    return (struct edge){ STATE_NONE, DO_NOTHING };
}

static void every_cell_is_as_meant(void **unused)
{
    (void)unused;
    for (int s = 0; s < STATES; s++)
        for (int e = 0; e < EVENTS; e++) {
            struct edge is = state_edge(s, e), should_be = wanted_edge(s, e);

            if (is.next != should_be.next || is.action != should_be.action)
                fail_msg("%s on event %d: is %s with action %d, should be %s with action %d",
                         state_name(s), e, state_name(is.next), is.action,
                         state_name(should_be.next), should_be.action);
        }
}

static bool runs(enum state state)
{
    return state == STATE_LAUNCHING || state == STATE_ONLINE || state == STATE_STOPPING;
}

static bool is_exit(enum event event)
{
    return event >= EVENT_ENDED && event < EVENTS;
}

/* A process begins only by DO_SPAWN and ends only by an exit: so there are never two, and none is
 * forgotten. */
static void processes_begin_by_spawn_and_end_by_exit(void **unused)
{
    (void)unused;
    for (int s = STATE_NONE + 1; s < STATES; s++)
        for (int e = 0; e < EVENTS; e++) {
            struct edge edge = state_edge(s, e);

            if (edge.next == STATE_NONE) {
                assert_int_equal(edge.action, DO_NOTHING);
                continue;
            }
            assert_int_equal(edge.action == DO_SPAWN, !runs(s) && runs(edge.next));
            if (edge.action == DO_SPAWN)
                assert_int_equal(edge.next, STATE_LAUNCHING);
            if (edge.action != DO_NOTHING && edge.action != DO_SPAWN)
                assert_true(runs(s) && edge.next == STATE_STOPPING);
            assert_int_equal(runs(s) && !runs(edge.next), is_exit(e));
        }
}

static void every_running_state_takes_every_exit(void **unused)
{
    (void)unused;
    for (int s = STATE_NONE + 1; s < STATES; s++)
        for (int e = EVENT_ENDED; e < EVENTS; e++)
            assert_int_equal(state_edge(s, e).next != STATE_NONE, runs(s));
}

/* Whatever an instance is doing, a stop takes it to stopped or towards it. */
static void stop_is_understood_everywhere(void **unused)
{
    (void)unused;
    for (int s = STATE_NONE + 1; s < STATES; s++) {
        enum state next = state_edge(s, EVENT_STOP).next;

        if (s == STATE_STOPPED || s == STATE_STOPPING)
            assert_int_equal(next, STATE_NONE);
        else
            assert_int_equal(next, runs(s) ? STATE_STOPPING : STATE_STOPPED);
    }
}

/* Marks every state that a walk from this one can come to. */
static void walk(enum state from, bool *seen)
{
    if (seen[from])
        return;
    seen[from] = true;
    for (int e = 0; e < EVENTS; e++)
        if (state_edge(from, e).next != STATE_NONE)
            walk(state_edge(from, e).next, seen);
}

static void every_state_leads_to_every_other(void **unused)
{
    (void)unused;
    for (int s = STATE_NONE + 1; s < STATES; s++) {
        bool seen[STATES] = { false };

        walk(s, seen);
        for (int to = STATE_NONE + 1; to < STATES; to++)
            if (!seen[to])
                fail_msg("no way from %s to %s", state_name(s), state_name(to));
    }
}

static void every_state_has_a_name_of_its_own(void **unused)
{
    (void)unused;
    for (int s = 0; s < STATES; s++)
        for (int t = 0; t < s; t++)
            assert_string_not_equal(state_name(s), state_name(t));
    assert_string_equal(state_name(STATE_BACKOFF), "waiting restart");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_is_as_meant),
        cmocka_unit_test(processes_begin_by_spawn_and_end_by_exit),
        cmocka_unit_test(every_running_state_takes_every_exit),
        cmocka_unit_test(stop_is_understood_everywhere),
        cmocka_unit_test(every_state_leads_to_every_other),
        cmocka_unit_test(every_state_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
