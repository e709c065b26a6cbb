/* What a bot says: texts, buttons and photos become the payloads of messages. */
#include "talk.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "replies.h"
#include "telegram_text.h"
#include "text.h"

enum {
    /* More than 16 full messages; nobody reads that. */
    MESSAGE_BYTES_MAX = 256 << 10,
    /* What fits on a phone's button. */
    LABEL_POINTS_MAX = 60,
    LABEL_BYTES_MAX = 1024,
};

/* All translations, as of a version that messenger.translation counts up. */
static struct {
    struct texts *texts;
    char version[TALK_ID_TEXT];
} words;

void talk_init(struct talk *talk, const struct talk_rim *rim, void *owner, const char *bot)
{
    *talk = (struct talk){ .rim = rim, .owner = owner, .bot = bot };
    buf_init(&talk->text, MESSAGE_BYTES_MAX);
}

void talk_done(struct talk *talk)
{
    buf_done(&talk->text);
    cJSON_Delete(TAKE(talk->keyboard));
    cJSON_Delete(TAKE(talk->messages));
    cJSON_Delete(TAKE(talk->request.body));
    free(TAKE(talk->state));
}

/* --- the turn --- */

static void learn_texts(struct talk *talk, const struct rows *rows)
{
    struct texts *texts;

    if (texts_load(rows, &texts) < 0) {
        talk_fail(talk, "out of memory");
        return;
    }
    texts_free(words.texts);
    words.texts = texts;
    (void)snprintf(words.version, sizeof words.version, "%s", talk->version);
    talk_run(talk, talk->reply);
}

void talk_meet(struct talk *talk, const struct rows *person)
{
    talk->chat_id = rows_int(person, 0, PERSON_TELEGRAM_ID);
    (void)snprintf(talk->customer, sizeof talk->customer, "%s", rows_text(person, 0, PERSON_ID));
    (void)snprintf(talk->name, sizeof talk->name, "%s", rows_text(person, 0, PERSON_NAME));
    (void)snprintf(talk->set, sizeof talk->set, "%s", rows_text(person, 0, PERSON_SET));
    (void)snprintf(talk->version, sizeof talk->version, "%s", rows_text(person, 0, PERSON_VERSION));
}

void talk_begin(struct talk *talk)
{
    if (words.texts && strcmp(words.version, talk->version) == 0)
        talk_run(talk, talk->reply);
    else
        talk_ask_params(talk, learn_texts, MESSENGER_SQL_TEXTS, NULL, 0);
}

void talk_run(struct talk *talk, const struct reply *reply)
{
    talk->reply = reply;
    reply->run(talk);
}

void talk_ask_params(struct talk *talk, talk_rows *then, int statement, const char *const *params,
                     size_t n)
{
    talk->asked = then;
    talk->rim->ask(talk, &messenger_sql[statement], params, n);
}

void talk_asked(struct talk *talk, const struct rows *rows)
{
    talk->asked(talk, rows);
}

void talk_call(struct talk *talk, talk_answer *then, const struct talk_request *request)
{
    cJSON_Delete(talk->request.body);
    talk->request = *request;
    talk->called = then;
    if (!request->body)
        talk_fail(talk, "out of memory");
    else
        talk->rim->call(talk);
}

void talk_called(struct talk *talk, const struct telegram_answer *answer)
{
    talk->called(talk, answer);
}

void talk_fail(struct talk *talk, const char *why)
{
    talk->rim->fail(talk, why);
}

static void end_message(struct talk *talk);

void talk_end(struct talk *talk)
{
    end_message(talk);
    if (talk->error)
        talk_fail(talk, talk->error == -ENOMEM ? "out of memory" : "the reply is too long");
    else
        talk->rim->end(talk);
}

void talk_stale(struct talk *talk)
{
    talk_say(talk,
             strcmp(talk->bot, "tgadmin") == 0
                 ? _("Isto não leva a nenhum lugar. /start mostra o que há.")
                 : _("This does not lead anywhere (any more). /start shows what there is."),
             NULL);
    talk_end(talk);
}

/* --- arguments --- */

const char *talk_arg(const struct talk *talk, int which)
{
    return which < talk->words.argc ? talk->words.args[which] : "";
}

const char *talk_arg_id(const struct talk *talk, int which)
{
    const char *text = talk_arg(talk, which);
    int64_t id;

    return text_to_int(text, 1, INT64_MAX, &id) == 0 ? text : NULL;
}

/* --- what is said --- */

static void note(struct talk *talk, int r)
{
    if (r < 0 && !talk->error)
        talk->error = r;
}

/* A mark's words in the person's language. */
static const char *words_of(const struct talk *talk, const char *text)
{
    return texts_find(words.texts, talk->set, text);
}

void talk_say(struct talk *talk, const char *text, const char *const *fields)
{
    note(talk, text_fill(&talk->text, words_of(talk, text), fields, true));
}

/* At most so many code points, whole ones. */
static void cut(char *text, int points)
{
    for (; *text; text++)
        if (((unsigned char)*text & 0xc0) != 0x80 && points-- == 0) {
            *text = '\0';
            return;
        }
}

static int add_button(struct talk *talk, const char *label, const char *data)
{
    cJSON *row = cJSON_CreateArray(), *button = cJSON_CreateObject();

    if (!talk->keyboard)
        talk->keyboard = cJSON_CreateArray();
    if (!json_put_text(button, "text", label) || !json_put_text(button, "callback_data", data) ||
        !cJSON_AddItemToArray(row, button)) {
        cJSON_Delete(row);
        cJSON_Delete(button);
        return -ENOMEM;
    }
    if (cJSON_AddItemToArray(talk->keyboard, row))
        return 0;
    cJSON_Delete(row);
    return -ENOMEM;
}

void talk_button(struct talk *talk, const struct button *button)
{
    OWN_BUF struct buf label = { 0 };
    char data[CALLBACK_BYTES_MAX + 1];
    int r;

    buf_init(&label, LABEL_BYTES_MAX);
    r = button->plain ? buf_printf(&label, "%.*s", LABEL_BYTES_MAX / 2, button->plain)
                      : text_fill(&label, words_of(talk, button->label), button->fields, false);
    if (r == 0)
        r = callback_print(button->reply->app, button->reply->name, button->args, data);
    if (r == 0) {
        cut(label.p, LABEL_POINTS_MAX);
        r = add_button(talk, *label.p ? label.p : "…", data);
    }
    note(talk, r);
}

/* --- payloads --- */

/* Takes payload. */
static int add_message(struct talk *talk, const char *kind, cJSON *payload)
{
    cJSON *message = cJSON_CreateObject();

    if (!talk->messages)
        talk->messages = cJSON_CreateArray();
    if (json_put(message, "payload", payload) && json_put_text(message, "kind", kind) &&
        json_put_int(payload, "chatId", talk->chat_id) &&
        cJSON_AddItemToArray(talk->messages, message))
        return 0;
    cJSON_Delete(message);
    return -ENOMEM;
}

void talk_photo(struct talk *talk, const char *url)
{
    cJSON *payload = cJSON_CreateObject();

    if (json_put_text(payload, "photo", url)) {
        note(talk, add_message(talk, "send-photo", payload));
    } else {
        cJSON_Delete(payload);
        note(talk, -ENOMEM);
    }
}

static int add_part(void *context, const char *part, size_t n)
{
    struct talk *talk = context;
    cJSON *payload = cJSON_CreateObject();

    (void)n;
    if (json_put_text(payload, "text", part))
        return add_message(talk, "send-message", payload);
    cJSON_Delete(payload);
    return -ENOMEM;
}

/* The buttons are below the last part. */
static int put_keyboard(struct talk *talk)
{
    cJSON *last = cJSON_GetArrayItem(talk->messages, cJSON_GetArraySize(talk->messages) - 1);
    cJSON *markup = cJSON_CreateObject();

    if (!json_put(markup, "inline_keyboard", TAKE(talk->keyboard))) {
        cJSON_Delete(markup);
        return -ENOMEM;
    }
    return json_put(cJSON_GetObjectItem(last, "payload"), "replyMarkup", markup) ? 0 : -ENOMEM;
}

static void end_message(struct talk *talk)
{
    if (talk->error || !talk->text.len)
        return;
    note(talk, telegram_split(talk->text.p, TELEGRAM_TEXT_MAX, add_part, talk, NULL));
    if (!talk->error && talk->keyboard)
        note(talk, put_keyboard(talk));
    buf_clear(&talk->text);
}
