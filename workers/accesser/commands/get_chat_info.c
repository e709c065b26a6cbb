/*
 * get_chat_info: prints all that Telegram says of a chat, a line for each field.
 *
 * Values that have parts are printed as JSON. Whether the shop knows the chat comes last.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "accesser.h"
#include "get_chat_info_sql.h"
#include "json.h"
#include "own.h"

/* A control character, C1 ones (UTF-8 c2 80 to c2 9f) too: how many bytes it has; else 0. */
static size_t control_bytes(const char *text)
{
    if (iscntrl((unsigned char)text[0]))
        return 1;
    return (unsigned char)text[0] == 0xc2 && (unsigned char)text[1] < 0xa0 ? 2 : 0;
}

/* What a title may hold does not reach the terminal as a command for it. */
static void print_field(const char *name, const char *text)
{
    size_t n;

    (void)printf("%s: ", name);
    for (const char *p = text; *p; p += n ? n : 1) {
        n = control_bytes(p);
        if (*p == '\n')
            (void)fputs("\\n", stdout);
        else
            (void)putchar(n ? ' ' : *p);
    }
    (void)putchar('\n');
}

static int print_all(struct run *run, const cJSON *chat)
{
    const cJSON *field;

    cJSON_ArrayForEach(field, chat)
    {
        OWN(free) char *value = cJSON_IsString(field) ? NULL : cJSON_PrintUnformatted(field);

        if (!value && !cJSON_IsString(field))
            return run_failed(run, -ENOMEM, "out of memory");
        print_field(field->string, value ? value : field->valuestring);
    }
    return 0;
}

static int print_known(struct run *run, const cJSON *chat)
{
    OWN_ROWS struct rows rows = { 0 };
    char number[32];
    int64_t id = 0;
    int r;

    (void)json_get_id(chat, "id", &id);
    (void)snprintf(number, sizeof number, "%lld", (long long)id);
    r = db_run(run->db, &sql[SQL_CHAT], &rows, number);
    if (r < 0)
        return run_db_failed(run, r, "look for the chat");
    print_field("in_shop", rows.count == 0          ? "no"
                           : rows_bool(&rows, 0, 1) ? "yes"
                                                    : "yes, but the bot has left it");
    return 0;
}

static int get_chat_info(struct run *run)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    bool by_name = run->argc == 1 && run->argv[0][0] == '@';
    int64_t chat_id = 0;
    int r;

    if (run->argc != 1 || (!by_name && accesser_read_id(run->argv[0], &chat_id) < 0))
        return run_failed(run, -EDOM, "want a chat: its number or its @name");
    r = telegram_ask_open(run);
    if (r == 0)
        r = accesser_ask(run, "getChat", chat_id,
                         by_name ? accesser_body("chat_id", run->argv[0]) : cJSON_CreateObject(),
                         &answer);
    if (r == 0)
        r = accesser_must(run, &answer);
    if (r == 0)
        r = print_all(run, answer.result);
    return r == 0 ? print_known(run, answer.result) : r;
}

const struct worker worker = {
    .app = "accesser",
    .name = "get_chat_info",
    .about = "print all that Telegram says of a chat",
    .kind = WORKER_COMMAND,
    .arguments = "CHAT",
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .in_flight = 1,
    .run = get_chat_info,
};
