#ifndef OPS_MONIT_LINK_H
#define OPS_MONIT_LINK_H
/*
 * What `opsctl monit` hears from opsd: the fleet every second and the answers to commands on one
 * connection, the lines of the selected worker on another. Whatever is lost is connected again.
 */
#include "monit_model.h"
#include "opsctl_client.h"

struct monit_link {
    struct home home;
    struct client fleet, logs; /* fd -1: not connected */
    int64_t stat_id;           /* of the question under way; 0: none */
    int unanswered;            /* for so many seconds */
    int64_t command_id;
    char command[MONIT_FILTER_MAX]; /* "restart billing" */
    int64_t logs_of;                /* id of the worker whose lines come; -1: none */
    struct buf line;
};

/* Connects to the home. Returns 0 or as client_connect. */
int monit_link_open(struct monit_link *link, const char *home, struct err *reterr);
void monit_link_close(struct monit_link *link);

/* Once a second: asks for the fleet, unless the last answer is still to come; connects first where
 * that was lost. */
void monit_link_ask(struct monit_link *link, struct monit *m);

/* Something has come on a connection: takes all of it. */
void monit_link_read_fleet(struct monit_link *link, struct monit *m);
void monit_link_read_logs(struct monit_link *link, struct monit *m);

/* Turns to the lines of the selected worker, if they are not what comes already. */
void monit_link_follow(struct monit_link *link, struct monit *m);

/* Has opsd do it ("start", "stop", "restart") to the selected worker. */
void monit_link_command(struct monit_link *link, struct monit *m, const char *method);

#endif
