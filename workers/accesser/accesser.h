#ifndef ACCESSER_H
#define ACCESSER_H
/*
 * What the workers and commands of accesser share: asking Telegram about somebody in a chat.
 */
#include "telegram_ask.h"

/* The bot that sells accesses, and is an administrator of their chats. */
#define ACCESSER_BOT "shop"

/* As telegram_ask by that bot, for a method that may be called twice. Takes body, of which NULL
 * means that memory ran out. What takes long is handed out as TELEGRAM_WAIT or TELEGRAM_RETRY: one
 * chat does not hold up the others. */
int accesser_ask(struct run *run, const char *method, int64_t chat_id, cJSON *body,
                 struct telegram_answer *ret);

/* Bodies: of one text, and of a person to be unbanned. NULL when memory ran out. */
cJSON *accesser_body(const char *name, const char *value);
cJSON *accesser_unban_body(const char *user);

/* For a run with many questions: 0, or -EAGAIN, logged, when Telegram answers none of them. */
int accesser_check_vain(struct run *run);

/* For a command: 0 when it is done, or is so already; else a negative errno, with Telegram's words
 * logged. */
int accesser_must(struct run *run, const struct telegram_answer *answer);

/* Reads the number of a chat or a person from the command line. Returns 0 or a negative errno. */
int accesser_read_id(const char *text, int64_t *ret);

/* For a command with the arguments CHAT USER: checks both, and hands out the chat. Returns 0 or
 * -EDOM, logged. */
int accesser_read_member(struct run *run, int64_t *ret_chat);

#endif
