#ifndef OPS_INSTANCE_PROBE_H
#define OPS_INSTANCE_PROBE_H
/*
 * Finding out whether an instance's process is ready: by asking again and again from the moment it
 * runs until it is ready or not LAUNCHING any more, or by what it tells.
 *
 * The order for each process: prepare, (fork,) handed, begin once it runs, end once it does not. A
 * process that an earlier opsd started: adopt, begin, end.
 */
#include <stdbool.h>

#include "instance.h"

/* Makes the pipe and the channel that the app needs. The process gets instance->ready_fd_write as
 * descriptor ready_number and instance->channel_fd_theirs as app_channel_fd; the guard keeps our
 * ends. Returns 0 or a negative errno. */
int instance_probe_prepare(struct instance *instance, struct err *reterr);

/* The process has its ends, or there will be none: closes ours of them. */
void instance_probe_handed(struct instance *instance);

/* Takes our ends back from the guard, with which an earlier opsd left them. */
void instance_probe_adopt(struct instance *instance);

/* The process runs: listens, and if it is not ready yet the first question is due. */
void instance_probe_begin(struct instance *instance, int64_t now_ms);

/* Asks when it is due (instance->next_probe_ms), and stops asking who is ready.
 */
void instance_probe(struct instance *instance, int64_t now_ms);

/* Whole lines that it printed. */
void instance_probe_lines(struct instance *instance, const char *bytes, size_t n);

/* What it said on its notify socket, status and stats aside. Returns false when nothing came of it
 * that anybody could see. */
bool instance_probe_message(struct instance *instance, const struct notify_message *message,
                            int64_t now_ms);

/* It was found to be ready. */
void instance_probe_ready(struct instance *instance);

/* The process is gone: what is asked at this moment is not about the next one.
 */
void instance_probe_end(struct instance *instance);

/* Lets go of everything; the instance goes. What a process of it still holds the other end of, the
 * guard keeps for whoever adopts that. */
void instance_probe_close(struct instance *instance);

#endif
