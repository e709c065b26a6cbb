/* The one way to start. */
#include "recover.h"

#include <errno.h>

#include "fleet_depends.h"
#include "fleet_load.h"
#include "heap.h"
#include "instance_files.h"
#include "instance_history.h"
#include "instant.h"
#include "leaving.h"
#include "log.h"
#include "procfs.h"
#include "record.h"
#include "schedule.h"

/* --- the instances */

/* The journal says that it was removed: what it said before is not about the instance of that name
 * that is there now. */
static void forget(struct instance *i)
{
    machine_init(&i->machine);
    i->keeper_pid = i->pid = 0;
    i->ran_reading = 0;
    i->retiring = i->stop_asked = false;
}

static void apply_line(struct fleet *fleet, const cJSON *line, const struct record_key *key)
{
    struct instance *i = fleet_present(fleet, key->name, key->number);

    if (!i)
        return;
    record_parse(line, i);
    /* What was kept has it in the fleet, so it was asked for again. */
    if (i->retiring)
        i->retiring = i->stop_asked = false;
    i->recorded = !key->gone;
    if (key->gone)
        forget(i);
}

static int apply_all(struct fleet *fleet, const struct journal_lines *journal,
                     struct leaving *leaving)
{
    struct record_key key;
    int r;

    for (size_t n = 0; n < journal->count; n++) {
        if (!record_key(journal->lines[n], &key))
            continue;
        /* Ids of runs that were under way are in the names of their status files. */
        if (key.by_hand && key.number >= fleet->next_id)
            fleet->next_id = key.number + 1;
        if (key.by_hand)
            continue;
        r = leaving_note(leaving, fleet, journal->lines[n], &key);
        if (r < 0)
            return r;
        if (r == 0)
            apply_line(fleet, journal->lines[n], &key);
    }
    return 0;
}

/* Whom the journal knows keeps its id; the others, in their order, get those that come after. */
static void number_instances(struct fleet *fleet)
{
    for (size_t k = 0; k < fleet->count; k++)
        if (fleet->instances[k]->recorded && fleet->instances[k]->id >= fleet->next_id)
            fleet->next_id = fleet->instances[k]->id + 1;
    for (size_t k = 0; k < fleet->count; k++)
        if (!fleet->instances[k]->recorded)
            fleet->instances[k]->id = fleet->next_id++;
}

static int apply(struct fleet *fleet, const struct journal_lines *journal, bool goes_on)
{
    struct leaving leaving = { 0 };
    int r;

    fleet->next_id = 0;
    r = apply_all(fleet, journal, &leaving);
    if (r == 0 && goes_on)
        leaving_add(&leaving, fleet);
    leaving_done(&leaving);
    number_instances(fleet);
    return r;
}

/* After a crash of opsd: as it was. */
static void revive(struct instance *i)
{
    if (i->keeper_pid)
        instance_adopt(i);
    else if (machine_runs(&i->machine))
        instance_resume(i);
}

/* --- what runs and the journal does not know: a run by hand or one of a reload, which nobody asks
 * for any more; or a worker, when the journal was emptied, or could not be written */

static struct instance *owner_of(const struct fleet *fleet, const struct instance_file *file)
{
    for (size_t k = 0; k < fleet->count; k++)
        if (instance_is_member(fleet->instances[k]) &&
            instance_file_fits(file, fleet->instances[k]))
            return fleet->instances[k];
    return NULL;
}

static bool is_known(const struct fleet *fleet, const struct keeper_report *report)
{
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if (i->recorded && i->keeper_pid == report->keeper &&
            i->keeper_start == report->keeper_start)
            return true;
    }
    return false;
}

/* True when it has a process already, which then is another one than what was found. */
static bool has_its_own(const struct instance *i)
{
    if (i->recorded && i->keeper_pid)
        return procfs_is_alive(i->keeper_pid, i->keeper_start);
    return i->keeper || i->adopt_again_ms;
}

/* A worker that runs is wanted: nobody leaves one running that is not. */
static void take_unknown(struct instance *i, const struct keeper_report *report, int variant)
{
    log_warn("a worker runs that the journal does not know", LOG_TEXT("worker", i->app->name),
             LOG_INT("instance", i->number));
    i->variant = variant;
    i->keeper_pid = report->keeper;
    i->keeper_start = report->keeper_start;
    i->pid = 0;
    if (!machine_runs(&i->machine))
        i->machine.state = STATE_LAUNCHING;
    i->machine.wanted = true;
    i->machine.begun_ms = i->machine.started_ms = (int64_t)monotonic_now_ms();
    instance_adopt(i);
}

/* A keeper with nothing to keep was dismissed, and what became of its worker is known; on a busy
 * machine it takes its time to die. */
static bool keeps_something(const struct keeper_report *report)
{
    return report->phase != KEEPER_EMPTY && report->phase != KEEPER_FAILED;
}

static bool look_at_running(void *context, const char *file, const struct keeper_report *report)
{
    struct fleet *fleet = context;
    struct keeper_identity identity = { file, report->keeper, report->keeper_start };
    struct keeper_report now = *report, last;
    struct instance_file parts;
    struct keeper *keeper;
    struct instance *i;

    if (is_known(fleet, report) || keepers_await(&fleet->keepers, file, &now) < 0)
        return true;
    i = instance_file_parse(file, &parts) ? owner_of(fleet, &parts) : NULL;
    if (i && !has_its_own(i) && keeps_something(&now)) {
        take_unknown(i, &now, parts.variant);
    } else if (keeper_adopt(&fleet->keepers, &identity, NULL, &keeper, &last) == 0) {
        log_info("ends what nobody asks for any more", LOG_TEXT("what", file));
        (void)keeper_order(keeper, KEEPER_LEAVE);
    }
    return true;
}

/* Control groups have the names of status files. */
static bool owns_group(void *context, const char *name)
{
    const struct fleet *fleet = context;
    struct instance_file file;

    if (!instance_file_parse(name, &file))
        return false;
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        if ((i->keeper || i->adopt_again_ms || i->ended) && file.variant == i->variant &&
            instance_file_fits(&file, i))
            return true;
    }
    return false;
}

void recover_sweep(struct fleet *fleet)
{
    fleet->unswept = !cgroups_sweep(&fleet->cgroups, owns_group, fleet);
}

static bool is_any(void *context, const char *file, const struct keeper_report *report)
{
    (void)context;
    (void)file;
    (void)report;
    return false;
}

/* After an ordered end, or a start of the machine: nothing runs, but what was wanted is known. */
static void begin_anew(struct instance *i, bool start)
{
    const struct machine before = i->machine;

    if (i->recorded && i->pid && machine_runs(&before))
        instance_history_cut(i);

    i->machine = (struct machine){ .state = STATE_STOPPED,
                                   .wanted = start &&
                                             (i->recorded ? before.wanted : i->app->autostart),
                                   .restarts = before.restarts,
                                   .unstable_restarts = before.unstable_restarts,
                                   .exited = before.exited,
                                   .last_exit = before.last_exit,
                                   .last_uptime_ms = before.last_uptime_ms };
    i->keeper_pid = i->pid = 0;
    i->ran_reading = 0;
    i->stop_asked = false;
    i->notify_address[0] = '\0';
    schedule_begin_anew(i, before.tick_pending);
    i->renewal = (struct renewal){ 0 };
}

/* Nobody brings back what was taken out of its manifest: it goes on, or it is gone. */
static void forget_past(struct fleet *fleet, bool goes_on)
{
    for (size_t k = fleet->count; k-- > 0;) {
        struct instance *i = fleet->instances[k];

        if (!i->keeper && !i->adopt_again_ms && !(goes_on && i->recorded) &&
            !fleet_app(fleet, i->app->name))
            fleet_remove(fleet, i);
    }
    (void)fleet_resolve(fleet);
}

static int load(struct fleet *fleet, bool goes_on, struct buf *problems)
{
    int r = goes_on ? fleet_load_kept(fleet, problems) : -ENOENT;

    /* For want of memory nothing that was kept may be taken for gone: it is tried again. */
    if (r == 0 || r == -ENOMEM)
        return r;
    /* Without a manifest everything comes by hand. */
    return fleet->home->manifest ? fleet_load_files(fleet, problems) : 0;
}

static int restore(struct fleet *fleet, const struct journal_lines *journal, bool start,
                   struct buf *problems)
{
    bool goes_on = journal->count && journal->same_boot && !journal->left;
    int r;

    r = load(fleet, goes_on || keepers_each(&fleet->keepers, is_any, NULL), problems);
    if (r == 0)
        r = apply(fleet, journal, goes_on);
    if (r < 0)
        return r;
    for (size_t k = 0; k < fleet->count && !goes_on; k++)
        begin_anew(fleet->instances[k], start);
    (void)keepers_each(&fleet->keepers, look_at_running, fleet);
    forget_past(fleet, goes_on);
    for (size_t k = 0; k < fleet->count && goes_on; k++) {
        struct instance *i = fleet->instances[k];

        if (i->keeper || i->adopt_again_ms)
            continue;
        if (i->recorded)
            revive(i);
        else
            begin_anew(i, start);
    }
    recover_sweep(fleet);
    for (size_t k = 0; k < fleet->count; k++) {
        const struct instance *i = fleet->instances[k];

        listen_resume(&fleet->listeners, i->app, i->pid, i->pid_start);
    }
    if (goes_on)
        log_info("the fleet goes on", LOG_INT("instances", (int64_t)fleet->count));
    return 0;
}

int recover(struct fleet *fleet, bool start, struct buf *problems)
{
    struct journal_lines journal;
    int r;

    r = journal_read(fleet->home->fd, &journal);
    if (r < 0)
        return r;
    if (journal.same_boot && !journal.left && journal.since_ms)
        fleet->started_ms = journal.since_ms;
    r = restore(fleet, &journal, start, problems);
    journal_lines_free(&journal);
    if (r < 0)
        return r;
    if (fleet_open_journal(fleet) < 0)
        log_error("the journal cannot be written; the fleet goes on without it");
    fleet->recovered = true;
    /* It may have been, while nobody looked. */
    fleet_clock_set(fleet);
    heap_trim();
    return 0;
}
