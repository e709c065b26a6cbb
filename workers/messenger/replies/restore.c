/*
 * A customer who cannot get into a chat that he has paid for, since his link ended unused or he was
 * thrown out, gets a new one: chat after chat, ask whether he is in; if not, lift a ban (but for
 * one that an administrator ordered), revoke the old links, make a link and write it down.
 *
 * Each step may be repeated, so the whole may be: a link made by a turn that ended half-way was
 * never shown; if it was written down, the next turn revokes it, and if not, it ends by itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "replies.h"

enum {
    CHAT_ID,
    CHAT_TELEGRAM_ID,
    CHAT_TITLE,
    CHAT_LINKS,
    CHAT_LINKS_EVER,
    CHAT_LINK_ENDS,
    CHAT_BANNED_BY_HAND,
};

enum {
    CHATS_MAX = 30, /* as the statement has it */
    TITLE_BYTES = 520,
    LINKS_BYTES = 2048,
    /* Whoever needs more than this gives them away. */
    LINKS_EVER_MAX = 10,
};

struct chat {
    char id[TALK_ID_TEXT], title[TITLE_BYTES], links[LINKS_BYTES];
    int64_t telegram_id, links_ever, link_ends;
    bool banned_by_hand;
};

struct restore {
    char access[TALK_ID_TEXT];
    int at, n, given;
    char *revoking; /* rest of the chat's links */
    struct chat chats[];
};

static void next_chat(struct talk *talk);

static struct chat *chat_of(const struct talk *talk)
{
    struct restore *restore = talk->state;

    return &restore->chats[restore->at];
}

/* A body without chat_id, which the rim adds. */
static void call(struct talk *talk, const char *method, cJSON *body, talk_answer *then)
{
    talk_call(talk, then,
              &(struct talk_request){
                  .method = method, .chat_id = chat_of(talk)->telegram_id, .body = body });
}

static cJSON *person_body(const struct talk *talk)
{
    cJSON *body = cJSON_CreateObject();

    (void)json_put_int(body, "user_id", talk->chat_id);
    return body;
}

static void leave_chat(struct talk *talk, const char *text)
{
    talk_say(talk, text, FIELDS("chat", chat_of(talk)->title));
    ((struct restore *)talk->state)->at++;
    next_chat(talk);
}

static void refused(struct talk *talk)
{
    leave_chat(talk,
               _("\n• {{chat}}: I cannot let you in there at the moment, please write to us"));
}

/* --- a new link --- */

static void recorded(struct talk *talk, const struct rows *rows)
{
    struct restore *restore = talk->state;

    if (rows->count == 0) {
        talk_stale(talk);
        return;
    }
    talk_say(talk, "\n• {{chat}}: {{link}}",
             FIELDS("chat", chat_of(talk)->title, "link", rows_text(rows, 0, 0)));
    restore->given++;
    restore->at++;
    next_chat(talk);
}

static void made(struct talk *talk, const struct telegram_answer *answer)
{
    const struct restore *restore = talk->state;
    const char *link = json_get_text(answer->result, "invite_link");
    char ends[TALK_ID_TEXT];

    (void)snprintf(ends, sizeof ends, "%" PRId64, chat_of(talk)->link_ends);
    if (answer->verdict != TELEGRAM_DONE || !link)
        refused(talk);
    else
        talk_ask(talk, recorded, MESSENGER_SQL_LINK_MADE, talk->customer, restore->access,
                 chat_of(talk)->id, link, ends, talk->now);
}

static void make_link(struct talk *talk)
{
    cJSON *body = cJSON_CreateObject();

    (void)json_put_int(body, "member_limit", 1);
    (void)json_put_int(body, "expire_date", chat_of(talk)->link_ends);
    call(talk, "createChatInviteLink", body, made);
}

/* --- the old ones --- */

static void revoke_next(struct talk *talk);

static void forgotten(struct talk *talk, const struct rows *rows)
{
    struct restore *restore = talk->state;

    (void)rows;
    restore->revoking += strlen(restore->revoking) + 1;
    revoke_next(talk);
}

/* A link that Telegram knows nothing of (any more) lets nobody in either. */
static void revoked(struct talk *talk, const struct telegram_answer *answer)
{
    struct restore *restore = talk->state;

    if (answer->verdict == TELEGRAM_FORBIDDEN || answer->verdict == TELEGRAM_GONE)
        refused(talk);
    else
        talk_ask(talk, forgotten, MESSENGER_SQL_LINK_REVOKED, restore->access, chat_of(talk)->id,
                 restore->revoking, talk->now);
}

static void revoke_next(struct talk *talk)
{
    struct restore *restore = talk->state;
    cJSON *body;
    char *end;

    if (!*restore->revoking) {
        make_link(talk);
        return;
    }
    end = strchr(restore->revoking, '\n');
    if (end)
        *end = '\0';
    body = cJSON_CreateObject();
    (void)json_put_text(body, "invite_link", restore->revoking);
    call(talk, "revokeChatInviteLink", body, revoked);
}

static void begin_links(struct talk *talk)
{
    ((struct restore *)talk->state)->revoking = chat_of(talk)->links;
    revoke_next(talk);
}

/* --- is he in? --- */

static void lifted(struct talk *talk, const struct rows *rows)
{
    (void)rows;
    begin_links(talk);
}

static void unbanned(struct talk *talk, const struct telegram_answer *answer)
{
    if (answer->verdict == TELEGRAM_DONE || answer->verdict == TELEGRAM_ALREADY)
        talk_ask(talk, lifted, MESSENGER_SQL_BAN_LIFTED, chat_of(talk)->id, talk->customer);
    else
        refused(talk);
}

static void unban(struct talk *talk)
{
    cJSON *body = person_body(talk);

    (void)json_put_bool(body, "only_if_banned", true);
    call(talk, "unbanChatMember", body, unbanned);
}

static bool is_in(const cJSON *member)
{
    static const char *const in[] = { "creator", "administrator", "member" };
    const char *status = json_get_text(member, "status");

    for (size_t i = 0; status && i < sizeof in / sizeof *in; i++)
        if (strcmp(in[i], status) == 0)
            return true;
    return json_get_bool(member, "is_member");
}

static void looked(struct talk *talk, const struct telegram_answer *answer)
{
    const char *status = json_get_text(answer->result, "status");

    if (answer->verdict != TELEGRAM_DONE)
        refused(talk);
    else if (is_in(answer->result))
        leave_chat(talk, _("\n• {{chat}}: you are in there already"));
    else if (chat_of(talk)->links_ever >= LINKS_EVER_MAX)
        leave_chat(talk, _("\n• {{chat}}: you had too many links, please write to us"));
    else if (status && strcmp(status, "kicked") == 0)
        unban(talk);
    else
        begin_links(talk);
}

/* --- chat after chat --- */

static void finish(struct talk *talk)
{
    const struct restore *restore = talk->state;

    if (restore->given)
        talk_say(talk, _("\n\nEach link lets one person in, once. Links from before are void."),
                 NULL);
    talk_button(talk, &(struct button){ .label = _("My accesses"), .reply = &reply_accesses });
    talk_end(talk);
}

static void next_chat(struct talk *talk)
{
    const struct restore *restore = talk->state;

    if (restore->at == restore->n)
        finish(talk);
    else if (chat_of(talk)->banned_by_hand)
        refused(talk);
    else
        call(talk, "getChatMember", person_body(talk), looked);
}

static void copy_chat(const struct rows *rows, int row, struct chat *ret)
{
    (void)snprintf(ret->id, sizeof ret->id, "%s", rows_text(rows, row, CHAT_ID));
    (void)snprintf(ret->title, sizeof ret->title, "%s", rows_text(rows, row, CHAT_TITLE));
    (void)snprintf(ret->links, sizeof ret->links - 1, "%s", rows_text(rows, row, CHAT_LINKS));
    ret->telegram_id = rows_int(rows, row, CHAT_TELEGRAM_ID);
    ret->links_ever = rows_int(rows, row, CHAT_LINKS_EVER);
    ret->link_ends = rows_int(rows, row, CHAT_LINK_ENDS);
    ret->banned_by_hand = rows_bool(rows, row, CHAT_BANNED_BY_HAND);
}

static void found(struct talk *talk, const struct rows *rows)
{
    int n = rows->count < CHATS_MAX ? rows->count : CHATS_MAX;
    struct restore *restore;

    if (n == 0) {
        talk_say(talk, _("This access does not hold any more."), NULL);
        talk_button(talk, &(struct button){ .label = _("My accesses"), .reply = &reply_accesses });
        talk_end(talk);
        return;
    }
    restore = calloc(1, sizeof *restore + (size_t)n * sizeof restore->chats[0]);
    if (!restore) {
        talk_fail(talk, "out of memory");
        return;
    }
    talk->state = restore;
    restore->n = n;
    (void)snprintf(restore->access, sizeof restore->access, "%s", talk_arg(talk, 0));
    for (int row = 0; row < n; row++)
        copy_chat(rows, row, &restore->chats[row]);
    talk_say(talk, _("<b>Your way in</b>"), NULL);
    next_chat(talk);
}

static void run(struct talk *talk)
{
    const char *access = talk_arg_id(talk, 0);

    if (access && strlen(access) < TALK_ID_TEXT)
        talk_ask(talk, found, MESSENGER_SQL_RESTORABLE, talk->customer, access, talk->now);
    else
        talk_stale(talk);
}

const struct reply reply_restore = {
    .app = "accesser",
    .name = "restore",
    .link = "restore",
    .run = run,
};
