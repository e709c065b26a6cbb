#ifndef OPS_KEEPERS_H
#define OPS_KEEPERS_H
/*
 * opsd's side of its keepers: forked here, or taken over from an opsd that is gone.
 *
 * A keeper is held as a pidfd (pidfd_open(2)) that was found to be the process meant: same pid,
 * same start. So no order can reach a stranger that was given the number of one that is gone.
 */
#include <stdbool.h>
#include <uv.h>

#include "keeper.h"
#include "watch.h"

struct keeper {
    struct keeper *next;
    struct keepers *keepers;
    pid_t pid;
    int64_t start;
    int pidfd;
    int go_fd; /* -1: it was told to go, or is not ours to tell */
    int status_fd,
        status_watch; /* of inotify(7); of the file, not its name, which may be deleted */
    struct keeper_report report; /* phase KEEPER_WAITS: nothing was heard of it yet */
    bool takes_turns;            /* its task says so */
    bool under_way;              /* it was told to go, and was not heard of since */
    bool gone;                   /* it died: it was killed, or opsd was before it told it to go */
    struct watch *watch;
    void *owner; /* NULL: dismissed */
    char *file;  /* its status file's name */
};

struct keepers {
    uv_loop_t *loop;
    int home_fd, folder_fd; /* the latter of the status files */
    int inotify_fd;
    struct watch *watch;
    struct keeper *first; /* the latest */
    unsigned waiting;     /* for the word to go */
    unsigned in_turn;     /* of these, those that take turns */
    unsigned under_way;   /* of those that were told */
    int64_t turn_ms;      /* when the last of those was told to go */
    /* The report has changed, or the keeper is gone. */
    void (*changed)(struct keeper *keeper);
};

/* Makes the folder of status files below the home. Returns 0 or a negative errno. */
int keepers_init(struct keepers *keepers, uv_loop_t *loop, int home_fd);

/* Lets go of all keepers; those that are not dismissed go on, and can be adopted. */
void keepers_close(struct keepers *keepers);

/* Forks a keeper that waits for keepers_go; slots_open was called. Returns 0 or a negative errno.
 */
int keeper_fork(struct keepers *keepers, const struct keeper_task *task, void *owner,
                struct keeper **ret, struct err *reterr);

/* However few turns are free: an exec may hang, on a network's file system. */
enum { KEEPERS_TURN_MS = 20 };

/* Lets those that wait start their workers; without this they end when opsd does. Those that take
 * turns go while few others are under way, or the last of them went KEEPERS_TURN_MS ago: a storm of
 * crashes leaves processors to whoever asks what is wrong. Returns whether any is held: call again
 * once something was heard of another, or after KEEPERS_TURN_MS. */
bool keepers_go(struct keepers *keepers);

/* One that an earlier opsd forked. */
struct keeper_identity {
    const char *file;
    pid_t pid;
    int64_t start;
};

/* Takes it over. Returns 0; -ESRCH when that process is gone; or another negative errno when that
 * cannot be told, or it cannot be held: try again. When it is gone, what it last reported is in
 * *last (phase KEEPER_WAITS: nothing). */
int keeper_adopt(struct keepers *keepers, const struct keeper_identity *identity, void *owner,
                 struct keeper **ret, struct keeper_report *last);

/* What the status file of that name says, if its keeper is alive. Returns 0 or a negative errno. */
int keepers_look_up(const struct keepers *keepers, const char *name, struct keeper_report *ret);

/* What one of which that says KEEPER_WAITS does next: the opsd that forked it is gone, and it got
 * the word to go or will not get it any more. Waits for that, which is a matter of scheduling.
 * Returns 0, and still KEEPER_WAITS for one that somebody stopped; or a negative errno: it left. */
int keepers_await(const struct keepers *keepers, const char *name, struct keeper_report *ret);

/* Calls for each status file whose keeper is alive; false ends it. Returns whether it was ended. */
bool keepers_each(const struct keepers *keepers,
                  bool (*each)(void *context, const char *file, const struct keeper_report *report),
                  void *context);

/* Sends an enum keeper_order, or a signal for the worker. Returns 0 or a negative errno. */
int keeper_order(struct keeper *keeper, int order);
int keeper_send(int pidfd, int order);

/* Its worker has ended, or it is gone itself, and all was taken that it kept. Sets the pointer to
 * NULL. */
void keeper_dismiss(struct keeper **keeper);

/* Forgets the status file of an instance that is gone. */
void keepers_forget(struct keepers *keepers, const char *name);

#endif
