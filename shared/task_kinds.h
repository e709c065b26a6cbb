#ifndef OPS_TASK_KINDS_H
#define OPS_TASK_KINDS_H
/*
 * The kinds of the queue bot-tasks (document 003), and the fields that each wants in its payload:
 * one table for whoever orders a job and whoever does it. Pure.
 */
#include <cjson/cJSON.h>

#include "err.h"

enum task_kind {
    TASK_SEND_MESSAGE,
    TASK_SEND_PHOTO,
    TASK_DELETE_MESSAGE,
    TASK_DELETE_MESSAGES_BULK,
    TASK_CLEAR_ALL_MESSAGES,
    TASK_SYNC_GROUPS,
    TASK_SYNC_SINGLE_GROUP,
    TASK_GET_CHAT_INFO,
    TASK_CHECK_PERMISSIONS,
    TASK_KINDS,
};

/* As many ids as one job may delete. */
enum { TASK_IDS_MOST = 10000 };

/* As ops.job.kind has it. */
const char *task_kind_name(enum task_kind kind);

/* TASK_KINDS: there is none of this name. */
enum task_kind task_kind_of(const char *name);

/* Checks that each field is there that must be, and is what it must be; those of the message that
 * is sent are message_read's to check (telegram_payload.h). Returns 0, -EINVAL or -ENOMEM. */
int task_check(enum task_kind kind, const cJSON *payload, struct err *reterr);

#endif
