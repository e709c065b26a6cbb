/*
 * chat_updater: keeps the chats as Telegram has them.
 *
 * Selects   all chats, the longest unchecked first.
 * Does      one getChat for each; a chat that moved is followed by whoever hears of it.
 * Records   titles and kinds; a chat that the bot has left is removed, or marked inactive where a
 *           plan or a link points to it.
 */
#include <errno.h>

#include "accesser.h"
#include "chat_updater_sql.h"
#include "json.h"
#include "own.h"

enum { COL_CHAT, COL_TELEGRAM_CHAT };

static int record_found(struct run *run, const char *chat, const cJSON *found)
{
    OWN_ROWS struct rows rows = { 0 };
    const char *title = json_get_text(found, "title");
    int r;

    r = db_run(run->db, &sql[SQL_FOUND], &rows, chat,
               title ? title : json_get_text(found, "first_name"), json_get_text(found, "type"),
               run->now);
    if (r < 0)
        return run_db_failed(run, r, "record what a chat is like");
    if (rows.count && rows_bool(&rows, 0, 0)) {
        run->stats.changed++;
        log_info("chat updated", LOG_TEXT("chat", chat), LOG_TEXT("title", log_or_null(title)));
    }
    return 0;
}

static int record_left(struct run *run, const char *chat, const struct telegram_answer *answer)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_LEFT], &rows, chat, run->now);
    if (r < 0)
        return run_db_failed(run, r, "record that the bot has left a chat");
    if (rows.count && (rows_bool(&rows, 0, 0) || rows_bool(&rows, 0, 1))) {
        run->stats.changed++;
        log_info(rows_bool(&rows, 0, 0) ? "chat removed" : "chat marked inactive",
                 LOG_TEXT("chat", chat), LOG_TEXT("why", answer->why.text));
    }
    return 0;
}

static int update_chat(struct run *run, const struct rows *rows, int row)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    const char *chat = rows_text(rows, row, COL_CHAT);
    int r;

    r = accesser_ask(run, "getChat", rows_int(rows, row, COL_TELEGRAM_CHAT), cJSON_CreateObject(),
                     &answer);
    if (r < 0)
        return r;
    if (answer.verdict == TELEGRAM_DONE)
        return record_found(run, chat, answer.result);
    if (answer.verdict == TELEGRAM_GONE)
        return record_left(run, chat, &answer);
    run->stats.failed++;
    log_warn("nothing is known of a chat; it is left for the next run", LOG_TEXT("chat", chat),
             LOG_TEXT("why", answer.why.text));
    return accesser_check_vain(run);
}

static int chat_updater(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = telegram_ask_open(run);
    if (r < 0)
        return r;
    r = db_run0(run->db, &sql[SQL_CHATS], &rows);
    if (r < 0)
        return run_db_failed(run, r, "select chats");
    for (int row = 0; r == 0 && row < rows.count && !run_stopping(run); row++) {
        run->stats.selected++;
        r = update_chat(run, &rows, row);
        run_progress(run);
    }
    telegram_ask_close();
    return r;
}

const struct worker worker = {
    .app = "accesser",
    .name = "chat_updater",
    .about = "keep titles and kinds of chats, and drop those that the bot has left",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = chat_updater,
};
