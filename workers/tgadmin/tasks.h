#ifndef OPS_TASKS_H
#define OPS_TASKS_H
/*
 * The tasks of bot_tasks: each is a function that begins one job of its kind (queue.h), whose
 * payload is one of it (task_kinds.h). Each leaves by an outcome of delivery.h or, before
 * delivery_begin, of queue.h.
 */
#include "delivery.h"
#include "telegram_payload.h"

void task_send(struct job *job);
void task_delete(struct job *job);
void task_delete_bulk(struct job *job);
void task_clear(struct job *job);
void task_sync_all(struct job *job);
void task_sync(struct job *job);
void task_chat_info(struct job *job);
void task_permissions(struct job *job);

/* For tasks that pause between calls. Timers of jobs that end before are stopped by their task. */
void tasks_open(uv_loop_t *loop);
uv_loop_t *tasks_loop(void);

/* delivery_end, with the group taken out of use when the bot lacks a right there. */
void task_end(struct job *job, const struct telegram_answer *answer);

/* A number of the payload; 0 when it is not given. */
int64_t task_id(const struct job *job, const char *name);

enum { TASK_ID_TEXT = 24 };
const char *task_id_text(int64_t id, char text[static TASK_ID_TEXT]);

#endif
