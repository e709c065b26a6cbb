/* What a person may order, asked of those who know the kinds, their payloads and the bots; and what
 * his word on a job led to. */
#include "order.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bots.h"
#include "buf.h"
#include "own.h"
#include "task_kinds.h"
#include "telegram_payload.h"

enum { LIST_BYTES_MAX = 512 };

static int refuse_kind(const struct order *order, struct err *reterr)
{
    OWN_BUF struct buf list = { 0 };
    const char *name;

    buf_init(&list, LIST_BYTES_MAX);
    for (enum task_kind kind = 0; kind < TASK_KINDS; kind++)
        (void)buf_printf(&list, "%sbot-tasks %s", kind ? ", " : "", task_kind_name(kind));
    for (size_t i = 0; (name = message_kind_name(i)); i++)
        (void)buf_printf(&list, ", messages %s", name);
    return err_set(reterr, -EINVAL, "no kind %.40s of the queue %.40s; there are %s", order->kind,
                   order->queue, list.p);
}

static int check_bot(struct order *order, struct err *reterr)
{
    OWN_BUF struct buf list = { 0 };
    const char *name;

    if (!order->bot || !*order->bot) {
        order->bot = strcmp(order->queue, "bot-tasks") == 0 ? "tgadmin" : NULL;
        return 0;
    }
    if (bots_place(order->bot) >= 0)
        return 0;
    buf_init(&list, LIST_BYTES_MAX);
    for (size_t i = 0; (name = bots_name(i)); i++)
        (void)buf_printf(&list, "%s%s", i ? ", " : "", name);
    return err_set(reterr, -EINVAL, "no bot %.40s; there are %s", order->bot, list.p);
}

int order_check(struct order *order, struct err *reterr)
{
    OWN_MESSAGE struct message message = { 0 };
    bool is_message = message_kind_is(order->kind);
    enum task_kind task = TASK_KINDS;
    int r;

    if (strcmp(order->queue, "bot-tasks") == 0)
        task = task_kind_of(order->kind);
    if (task == TASK_KINDS && !(is_message && strcmp(order->queue, "messages") == 0))
        return refuse_kind(order, reterr);
    if (!cJSON_IsObject(order->payload))
        return err_set(reterr, -EINVAL, "payload: want a JSON object such as {\"chatId\": -1001}");
    r = check_bot(order, reterr);
    if (r == 0 && task != TASK_KINDS)
        r = task_check(task, order->payload, reterr);
    if (r == 0 && is_message)
        r = message_read(order->kind, order->payload, &message, reterr);
    return r;
}

int order_no_job(const char *id, struct err *reterr)
{
    return err_set(reterr, -ENOENT,
                   "no job %.20s: there is none, or it ended long ago and was cleared away", id);
}

int order_outcome(const struct rows *rows, const char *id, const char **ret_state,
                  struct err *reterr)
{
    enum { COL_STATE, COL_REFUSAL };

    if (!rows_text(rows, 0, COL_STATE))
        return order_no_job(id, reterr);
    if (rows_text(rows, 0, COL_REFUSAL))
        return err_set(reterr, -EINVAL, "%s", rows_text(rows, 0, COL_REFUSAL));
    *ret_state = rows_text(rows, 0, COL_STATE);
    return 0;
}
