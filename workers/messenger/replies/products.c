/* A product of document 003, and its order: a purchase that waits to be paid. */
#include <inttypes.h>
#include <stdio.h>

#include "replies.h"

enum {
    PRODUCT_ID,
    PRODUCT_NAME,
    PRODUCT_PRICE,
    PRODUCT_CURRENCY,
    PRODUCT_TYPE,
    PRODUCT_PHOTOS,
    PRODUCT_VIDEOS,
    PRODUCT_DAYS,
    PRODUCT_MODEL_ID,
    PRODUCT_MODEL,
};

/* clang-format off */
static const struct {
    int column;
    const char *text;
} details[] = {
    { PRODUCT_PHOTOS, _("\n📷 {{n}} fotos") },
    { PRODUCT_VIDEOS, _("\n🎬 {{n}} vídeos") },
    { PRODUCT_DAYS,   _("\n📅 {{n}} dias de acesso") },
};
/* clang-format on */

static void show(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    talk_say(talk, _("<b>{{name}}</b> ({{model}})\n💰 {{price}} {{currency}}"),
             FIELDS("name", rows_text(rows, 0, PRODUCT_NAME), "model",
                    rows_text(rows, 0, PRODUCT_MODEL), "price", rows_text(rows, 0, PRODUCT_PRICE),
                    "currency", rows_text(rows, 0, PRODUCT_CURRENCY)));
    for (size_t i = 0; i < sizeof details / sizeof *details; i++)
        if (rows_text(rows, 0, details[i].column))
            talk_say(talk, details[i].text, FIELDS("n", rows_text(rows, 0, details[i].column)));
    talk_button(talk, &(struct button){ .label = _("Comprar"),
                                        .reply = &reply_checkout,
                                        .args = { rows_text(rows, 0, PRODUCT_ID) } });
    talk_button(talk, &(struct button){ .label = _("Voltar"),
                                        .reply = &reply_model,
                                        .args = { rows_text(rows, 0, PRODUCT_MODEL_ID) } });
    talk_end(talk);
}

static void run_product(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);

    if (id)
        talk_ask(talk, show, MESSENGER_SQL_PRODUCT, id);
    else
        talk_stale(talk);
}

const struct reply reply_product = {
    .app = "tgadmin",
    .name = "product",
    .link = "product",
    .run = run_product,
};

/* --- the order --- */

enum { ORDER_ID, ORDER_PRODUCT, ORDER_AMOUNT, ORDER_CURRENCY };

static void ordered(struct talk *talk, const struct rows *rows)
{
    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    talk_say(talk,
             _("🧾 Pedido {{id}}: <b>{{product}}</b>, {{amount}} {{currency}}.\n"
               "Aguardando pagamento. O acesso é liberado assim que ele for confirmado."),
             FIELDS("id", rows_text(rows, 0, ORDER_ID), "product",
                    rows_text(rows, 0, ORDER_PRODUCT), "amount", rows_text(rows, 0, ORDER_AMOUNT),
                    "currency", rows_text(rows, 0, ORDER_CURRENCY)));
    talk_end(talk);
}

static void run_checkout(struct talk *talk)
{
    const char *id = talk_arg_id(talk, 0);
    char buyer[TALK_ID_TEXT];

    if (!id) {
        talk_stale(talk);
        return;
    }
    (void)snprintf(buyer, sizeof buyer, "%" PRId64, talk->chat_id);
    talk_ask(talk, ordered, MESSENGER_SQL_CHECKOUT, buyer, id);
}

const struct reply reply_checkout = {
    .app = "tgadmin",
    .name = "checkout",
    .run = run_checkout,
};
