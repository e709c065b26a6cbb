/* The bot of document 003: its models, one of them with photos and products, one product, and the
 * order of one. It speaks Portuguese, as the other messages of that bot do. */
#include <string.h>

#include "json.h"
#include "own.h"
#include "replies.h"

/* As many as Telegram shows in one album. */
enum { PHOTOS_MAX = 10 };

static void list(struct talk *talk, const struct rows *rows)
{
    talk_say(talk,
             rows->count ? _("Olá, <b>{{name}}</b>! Escolha uma modelo:")
                         : _("Olá, <b>{{name}}</b>! Ainda não há modelos aqui."),
             FIELDS("name", talk->name));
    for (int row = 0; row < rows->count; row++)
        talk_button(talk, &(struct button){ .plain = rows_text(rows, row, 1),
                                            .reply = &reply_model,
                                            .args = { rows_text(rows, row, 0) } });
    talk_end(talk);
}

static void ask_list(struct talk *talk)
{
    talk_ask_params(talk, list, MESSENGER_SQL_MODELS, NULL, 0);
}

static void run_models(struct talk *talk)
{
    reply_follow(talk, ask_list);
}

const struct reply reply_models = {
    .app = "tgadmin",
    .name = "models",
    .command = "/start",
    .run = run_models,
};

/* --- one model --- */

enum {
    MODEL_NAME,
    MODEL_USERNAME,
    MODEL_TIER,
    MODEL_PHOTOS,
    MODEL_PRODUCT_ID,
    MODEL_PRODUCT,
    MODEL_PRICE,
    MODEL_CURRENCY,
};

static void add_photos(struct talk *talk, const char *list_text)
{
    OWN(json) cJSON *photos = NULL;
    const cJSON *photo;
    int left = PHOTOS_MAX;

    if (json_parse(list_text, strlen(list_text), &photos, NULL) < 0)
        return;
    cJSON_ArrayForEach(photo, photos)
    {
        if (cJSON_IsString(photo) && left-- > 0)
            talk_photo(talk, photo->valuestring);
    }
}

static void show_model(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    add_photos(talk, rows_text(rows, 0, MODEL_PHOTOS));
    talk_say(talk, _("✨ <b>{{name}}</b> (@{{username}})\nNível: {{tier}}\n\nEscolha um pacote:"),
             FIELDS("name", rows_text(rows, 0, MODEL_NAME), "username",
                    rows_text(rows, 0, MODEL_USERNAME), "tier", rows_text(rows, 0, MODEL_TIER)));
    for (int row = 0; row < rows->count; row++)
        if (rows_text(rows, row, MODEL_PRODUCT_ID))
            talk_button(talk,
                        &(struct button){
                            .label = _("{{name}}: {{price}} {{currency}}"),
                            .fields = FIELDS("name", rows_text(rows, row, MODEL_PRODUCT), "price",
                                             rows_text(rows, row, MODEL_PRICE), "currency",
                                             rows_text(rows, row, MODEL_CURRENCY)),
                            .reply = &reply_product,
                            .args = { rows_text(rows, row, MODEL_PRODUCT_ID) } });
    talk_end(talk);
}

static void run_model(struct talk *talk)
{
    talk_ask(talk, show_model, MESSENGER_SQL_MODEL, talk_arg(talk, 0));
}

const struct reply reply_model = {
    .app = "tgadmin",
    .name = "model",
    .link = "model",
    .run = run_model,
};
