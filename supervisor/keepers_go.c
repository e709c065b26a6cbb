/* The word to go, and whose turn it is to get it. */
#include "keepers_go.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "instant.h"
#include "slots.h"

/* One that starts its program, and one that is about to. */
enum { UNDER_WAY_PER_PROCESSOR = 2 };

int keeper_hold_back(struct keeper *keeper, bool takes_turns)
{
    int go[2];

    if (pipe2(go, O_CLOEXEC) < 0)
        return -errno;
    keeper->go_fd = go[1];
    keeper->takes_turns = takes_turns;
    keeper->keepers->waiting++;
    keeper->keepers->in_turn += takes_turns;
    return go[0];
}

void keeper_forget_go(struct keeper *keeper)
{
    if (keeper->go_fd < 0)
        return;
    (void)close(keeper->go_fd);
    keeper->go_fd = -1;
    keeper->keepers->waiting--;
    keeper->keepers->in_turn -= keeper->takes_turns;
}

void keeper_heard_of(struct keeper *keeper)
{
    keeper->keepers->under_way -= keeper->under_way;
    keeper->under_way = false;
}

static void tell(struct keeper *keeper)
{
    slots_wait();
    (void)!write(keeper->go_fd, &keeper->start, sizeof keeper->start);
    keeper_forget_go(keeper);
    keeper->under_way = true;
    keeper->keepers->under_way++;
}

/* How many of those that take turns have to wait. */
static unsigned count_held(const struct keepers *keepers, int64_t now)
{
    unsigned at_once, room = 0;

    if (!keepers->in_turn)
        return 0;
    at_once = UNDER_WAY_PER_PROCESSOR * uv_available_parallelism();
    if (keepers->under_way < at_once)
        room = at_once - keepers->under_way;
    else if (now - keepers->turn_ms >= KEEPERS_TURN_MS)
        room = 1;
    return keepers->in_turn > room ? keepers->in_turn - room : 0;
}

bool keepers_go(struct keepers *keepers)
{
    int64_t now = (int64_t)monotonic_now_ms();
    unsigned held = count_held(keepers, now), waiting = keepers->waiting;
    bool any_held = held > 0;

    /* The latest come first, and are held: those that have waited longest go. */
    for (struct keeper *k = keepers->first; k && waiting; k = k->next) {
        if (k->go_fd < 0)
            continue;
        waiting--;
        if (k->takes_turns && held) {
            held--;
            continue;
        }
        if (k->takes_turns)
            keepers->turn_ms = now;
        tell(k);
    }
    return any_held;
}
