/*
 * seed_demo_model: a model with photos and products, to try the purchase flow with; --promo also
 * advertises it in the first active group. Running it again changes nothing.
 *
 * The promotion is a job like any other message: the sender delivers it, at the bot's rate.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "seed_demo_model_sql.h"
#include "telegram_ask.h"

enum { COL_NAME, COL_USERNAME, COL_PUBLIC_ID, COL_PRODUCTS, COL_TIER, COL_PHOTO };

/* The bot's own name, for the link that opens it. Returns 1, 0 when Telegram does not tell it
 * (which is said), or a negative errno, logged. */
static int find_username(struct run *run, char *to, size_t size)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const char *username;
    int r;

    r = telegram_ask_open(run);
    if (r == 0)
        r = telegram_ask(
            run,
            &(struct telegram_question){ .bot = "tgadmin", .method = "getMe", .repeatable = true },
            &answer);
    if (r < 0)
        return r;
    username = json_get_text(answer.result, "username");
    if (!username) {
        (void)printf("   failed: getMe: %s\n", answer.why.text);
        return 0;
    }
    (void)snprintf(to, size, "%s", username);
    return 1;
}

/* What Telegram does not tell is no failure: the model is there. */
static int promote(struct run *run, const struct rows *model)
{
    OWN_ROWS struct rows group = { 0 };
    char username[64], link[256];
    int r;

    r = db_run0(run->db, &sql[SQL_GROUP], &group);
    if (r < 0)
        return run_db_failed(run, r, "find a group");
    if (group.count == 0) {
        (void)printf("\n📢 No active group to promote in\n");
        return 0;
    }
    (void)printf("\n📢 Sending promo to group: %s\n", rows_text(&group, 0, 1));
    r = find_username(run, username, sizeof username);
    if (r <= 0)
        return r;
    (void)snprintf(link, sizeof link, "https://t.me/%s?start=model_%s", username,
                   rows_text(model, 0, COL_PUBLIC_ID));
    r = db_run(run->db, &sql[SQL_PROMOTE], NULL, rows_text(&group, 0, 0),
               rows_text(model, 0, COL_PHOTO), link, rows_text(model, 0, COL_NAME),
               rows_text(model, 0, COL_PUBLIC_ID));
    if (r < 0)
        return run_db_failed(run, r, "enqueue the promotion");
    (void)printf("✅ Promotional message on its way!\n   Group: %s\n   Deep link: %s\n",
                 rows_text(&group, 0, 1), link);
    return 0;
}

static int seed_demo_model(struct run *run)
{
    OWN_ROWS struct rows model = { 0 };
    bool promo = run->argc == 1 &&
                 (strcmp(run->argv[0], "--promo") == 0 || strcmp(run->argv[0], "-p") == 0);
    int r;

    if (run->argc && !promo)
        return run_failed(run, -EDOM, "want --promo or nothing");
    r = db_run0(run->db, &sql[SQL_SEED], &model);
    if (r < 0)
        return run_db_failed(run, r, "write the demo model");
    (void)printf("✅ Demo model ready!\n   Name: %s\n   Username: @%s\n   ID: %s\n"
                 "   Products: %s\n   Tier: %s\n",
                 rows_text(&model, 0, COL_NAME), rows_text(&model, 0, COL_USERNAME),
                 rows_text(&model, 0, COL_PUBLIC_ID), rows_text(&model, 0, COL_PRODUCTS),
                 rows_text(&model, 0, COL_TIER));
    if (promo)
        r = promote(run, &model);
    if (r == 0)
        (void)printf("\n🎉 Done!\n");
    return r;
}

const struct worker worker = {
    .app = "tgadmin",
    .name = "seed_demo_model",
    .about = "make a demo model with products, and with --promo advertise it",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = seed_demo_model,
    .arguments = "[--promo]",
};
