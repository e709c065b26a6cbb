#ifndef OPS_CONTROL_SOCKET_H
#define OPS_CONTROL_SOCKET_H
/*
 * opsd.sock while opsd runs: there at once after a crash, since the guard keeps it, and there again
 * when somebody swept the home.
 */
#include "control.h"

struct control_socket {
    struct fleet *fleet; /* of which the home, the link to the guard and the loop are used */
    struct control *control;
    int events; /* inotify(7) on the home */
    struct watch *watch;
    uv_timer_t retry;
};

/* Serves control's requests on it: on what the guard kept, where clients wait in the queue, or
 * anew. Returns 0 or a negative errno with reterr. */
int control_socket_open(struct control_socket *socket, struct control *control, struct fleet *fleet,
                        struct err *reterr);

/* Removes its name, has the guard forget it, and closes control. */
void control_socket_close(struct control_socket *socket);

#endif
