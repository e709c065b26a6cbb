#ifndef OPS_TALK_H
#define OPS_TALK_H
/*
 * One turn of a talk: what a person did, and what a bot says to it.
 *
 * A reply (replies.h) asks the database, builds messages and ends the turn:
 *
 *     static void found(struct talk *talk, const struct rows *rows)
 *     {
 *         talk_say(talk, _("Hello, {{name}}!"), FIELDS("name", rows_text(rows, 0, 0)));
 *         talk_button(talk, &(struct button){ .label = _("Plans"), .reply = &reply_plans });
 *         talk_end(talk);
 *     }
 *     static void run(struct talk *talk) { talk_ask(talk, found, MESSENGER_SQL_X, talk->customer);
 * }
 *
 * The same reply serves the service, where asking does not wait, and a command, where it does: each
 * is a rim (struct talk_rim). Every path of a reply ends with exactly one of talk_ask, talk_call,
 * talk_end, talk_fail, talk_run, as its last act.
 *
 * Messages are enqueued by what ends the turn, all together or not at all. What a reply writes by
 * asking is committed before that, so it must be something that may be asked twice.
 */
#include <cjson/cJSON.h>
#include <stdint.h>

#include "buf.h"
#include "callback.h"
#include "db.h"
#include "instant.h"
#include "messenger_sql.h"
#include "telegram_answer.h"
#include "texts.h"

struct reply;
struct talk;
typedef void talk_rows(struct talk *talk, const struct rows *rows);
typedef void talk_answer(struct talk *talk, const struct telegram_answer *answer);

enum { TALK_ID_TEXT = 24, TALK_NAME_BYTES = 520, TALK_SET_BYTES = 128 };

/* A request to the Bot API, for the rim. */
struct talk_request {
    const char *method;
    int64_t chat_id; /* of a group; 0: none */
    cJSON *body;     /* the talk's */
};

struct talk_rim {
    /* Goes on by talk_asked, talk_called, or by failing the turn. */
    void (*ask)(struct talk *talk, const struct statement *statement, const char *const *params,
                size_t n);
    void (*call)(struct talk *talk);
    /* Enqueues talk->messages; the turn is over. */
    void (*end)(struct talk *talk);
    /* Nothing was said, and the same again may work. */
    void (*fail)(struct talk *talk, const char *why);
};

struct talk {
    const struct talk_rim *rim;
    void *owner; /* the rim's */
    const char *bot;
    char now[INSTANT_TEXT_MAX];
    /* Who: filled by talk_meet. */
    int64_t chat_id; /* of the person, on Telegram */
    char customer[TALK_ID_TEXT], name[TALK_NAME_BYTES];
    char set[TALK_SET_BYTES];   /* of translations */
    char version[TALK_ID_TEXT]; /* of all of them */
    /* What is asked for. */
    const struct reply *reply;
    struct callback words; /* its arguments */
    /* What is being made. */
    struct buf text;
    cJSON *keyboard, *messages; /* messages: [{"kind", "payload"}] */
    int error;
    talk_rows *asked;
    talk_answer *called;
    struct talk_request request;
    void *state; /* the reply's, from malloc; freed with the talk */
};

/* Cannot fail. bot must outlive the talk. */
void talk_init(struct talk *talk, const struct talk_rim *rim, void *owner, const char *bot);
void talk_done(struct talk *talk);

/* person is the answer to MESSENGER_SQL_PERSON or _KNOWN_PERSON, whose columns these are. */
enum {
    PERSON_ID,
    PERSON_TELEGRAM_ID,
    PERSON_NAME,
    PERSON_SET,
    PERSON_VERSION,
    PERSON_SAID,
};
void talk_meet(struct talk *talk, const struct rows *person);

/* Sees to it that translations are those of now, and runs talk->reply. */
void talk_begin(struct talk *talk);

/* --- for rims --- */

void talk_asked(struct talk *talk, const struct rows *rows);
void talk_called(struct talk *talk, const struct telegram_answer *answer);

/* --- for replies --- */

/* Runs a statement of messenger.sql by its number; then gets the rows. Parameters are copied. */
#define talk_ask(talk, then, statement, ...)                                           \
    talk_ask_params((talk), (then), (statement), (const char *const[]){ __VA_ARGS__ }, \
                    sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(const char *))
void talk_ask_params(struct talk *talk, talk_rows *then, int statement, const char *const *params,
                     size_t n);

/* Calls a method that may be repeated; takes request->body. */
void talk_call(struct talk *talk, talk_answer *then, const struct talk_request *request);

/* The argument's text, "" when there is none; and the same where a positive number is wanted, NULL
 * when it is none. */
const char *talk_arg(const struct talk *talk, int which);
const char *talk_arg_id(const struct talk *talk, int which);

/* Adds to the message; fields may be NULL. */
void talk_say(struct talk *talk, const char *text, const char *const *fields);

/* A row below the message: with the words of label, which is no HTML, or with plain, a name that
 * somebody gave. Leads to a reply with args. */
struct button {
    const char *label, *const *fields;
    const char *plain;
    const struct reply *reply;
    const char *args[CALLBACK_ARGS_MAX + 1];
};
void talk_button(struct talk *talk, const struct button *button);

/* A message of its own; url as Telegram fetches it. */
void talk_photo(struct talk *talk, const char *url);

void talk_end(struct talk *talk);
void talk_fail(struct talk *talk, const char *why);

/* Goes on with another reply and the arguments that are in talk->words. */
void talk_run(struct talk *talk, const struct reply *reply);

/* Ends the turn with a word about a button or link that leads nowhere (any more). */
void talk_stale(struct talk *talk);

#endif
