#ifndef OPS_READINESS_H
#define OPS_READINESS_H
/*
 * What an instance holds to find out whether its process is ready, and to talk to it: a part of
 * struct instance that instance_probe.c and instance_channel.c alone change. readiness_init makes
 * it empty.
 */
#include "channel.h"
#include "probe.h"
#include "watch.h"

struct readiness {
    struct probe *probe; /* the question asked at this moment */
    unsigned round;      /* how many were asked */
    int fd;              /* READY_FD: our end; -1: none */
    struct watch *watch; /* of fd */
    int channel_fd;      /* Node's IPC: our end, channel's once that is open; -1: none */
    struct channel *channel;
};

static inline void readiness_init(struct readiness *readiness)
{
    *readiness = (struct readiness){ .fd = -1, .channel_fd = -1 };
}

#endif
