#ifndef OPS_TELEGRAM_ASK_H
#define OPS_TELEGRAM_ASK_H
/*
 * One method of the Bot API, asked and waited for: for scheduled workers and commands, which make a
 * few calls one after the other. Whoever serves jobs on a loop uses delivery.h.
 *
 *     r = telegram_ask_open(run);
 *     r = telegram_ask(run, &(struct telegram_question){ .bot = "shop", .method = "getChat",
 *                                                        .chat_id = id, .repeatable = true },
 *                      &answer);
 *
 * Rules, the same as for deliveries: each request takes one of the bot's rate (ops.rate_take); a
 * chat that moved is found by its old id (ops.chat_alias), and a move that is heard of is kept; a
 * chat that cannot be reached is kept in ops.recipient; a token that is refused ends the run, with
 * one alert. Told to wait (429), it waits and asks again, up to patience_ms in all; passing trouble
 * is tried again where that cannot do harm.
 *
 * The worker has an HTTP pool (worker.in_flight, nothing else in flight) and statements of its own,
 * so that it has a database. A run_reconnect is followed by a new telegram_ask_open.
 */
#include "bots.h"
#include "telegram_answer.h"

/* What a worker that asks needs, for WORKER_NEEDS. */
#define TELEGRAM_ASK_NEEDS \
    "DATABASE_URL", BOTS_NEEDS, "TELEGRAM_ADMIN_CHAT_ID", "SMTP_URL", "TELEGRAM_RATE_PER_BOT"

struct telegram_question {
    const char *bot;     /* as in bots.h */
    const char *method;  /* "banChatMember" */
    const cJSON *body;   /* an object without chat_id; NULL: none */
    int64_t chat_id;     /* where the request goes, or went before it moved; 0: no chat */
    bool repeatable;     /* twice does no harm */
    int64_t timeout_ms;  /* of one request; 0: TELEGRAM_TIMEOUT_MS */
    int64_t patience_ms; /* of all waiting between requests; 0: TELEGRAM_PATIENCE_MS */
};

/* Reads the bots' tokens and prepares the statements. Returns 0 or a negative errno, logged.
 * telegram_ask_close forgets the tokens; it may be left out at the end of a process. */
int telegram_ask_open(struct run *run);
void telegram_ask_close(void);

/* The tokens that were read; they live until the next open or close. */
const struct bots *telegram_ask_bots(void);

/* Asks; call it outside of a transaction, since it holds the bot's rate until the end of one. A dry
 * run takes no rate and keeps nothing: ask only what changes nothing there.
 *
 * Returns 0 with *ret filled (OWN_TELEGRAM_ANSWER): what the last answer said, whatever that is,
 * TELEGRAM_WAIT where patience ran out, never TELEGRAM_BOT_DEAD. Returns a negative errno, logged:
 * -EACCES (the token or TELEGRAM_API_URL is wrong: the run should end; the alert is raised),
 * -EAGAIN (told to stop before it was asked), -EINVAL (no such bot, or nothing that can be sent),
 * -ENOMEM, or as db_query. */
int telegram_ask(struct run *run, const struct telegram_question *question,
                 struct telegram_answer *ret);

/* True after TELEGRAM_VAIN_MAX questions in a row that got no usable answer or were told to wait:
 * Telegram is down, or wants to be left alone. A run with many questions ends then, and leaves the
 * rest to the next one. */
bool telegram_ask_in_vain(void);

#endif
