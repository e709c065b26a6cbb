/*
 * The table of all settings, and what each kind of value must look like.
 */
#include "settings.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fernet.h"
#include "file.h"
#include "http.h"
#include "instant.h"
#include "own.h"
#include "text.h"

/* Durations, in milliseconds. */
#define HOUR_MS 3600000L
#define DAY_MS (24 * HOUR_MS)

#define BOT_TOKEN(BOT, bot)                                             \
    {                                                                   \
        "TELEGRAM_BOT_TOKEN_" BOT, SETTING_SECRET, "", 0, 0,            \
            "token of the bot `" bot "`; TELEGRAM_BOT_TOKEN when empty" \
    }

/* clang-format off */
const struct setting settings[] = {
    { "DATABASE_URL", SETTING_SECRET, NULL, 0, 0,
      "postgresql://user:password@host/database or libpq's host=... dbname=..." },

    { "TELEGRAM_API_URL", SETTING_URL, "https://api.telegram.org", 0, 0,
      "the Bot API: Telegram's, or a server of your own" },
    { "TELEGRAM_BOT_TOKEN", SETTING_SECRET, NULL, 0, 0, "token of the default bot, from @BotFather" },
    BOT_TOKEN("SHOP", "shop"),
    BOT_TOKEN("COFFEE", "coffee"),
    BOT_TOKEN("BILLING", "billing"),
    BOT_TOKEN("TGADMIN", "tgadmin"),
    BOT_TOKEN("OZHIVLYATOR", "ozhivlyator"),
    { "TELEGRAM_ADMIN_CHAT_ID", SETTING_INT, "", INT64_MIN, INT64_MAX,
      "id of the chat that gets the alerts for administrators; none is sent when empty" },
    { "TELEGRAM_RATE_PER_BOT", SETTING_INT, "30", 1, 1000, "messages a second of one bot" },
    { "TELEGRAM_RATE_PER_CHAT", SETTING_INT, "1", 1, 100, "messages a second to one chat" },
    { "TELEGRAM_DELETE_DELAY_MS", SETTING_DURATION, "50", 0, 60000, "pause between two deletions" },
    { "SENDER_CONCURRENCY", SETTING_INT, "32", 1, 256, "requests of messenger/sender in flight" },
    { "BOT_TASKS_CONCURRENCY", SETTING_INT, "32", 1, 256, "requests of tgadmin/bot_tasks in flight" },
    { "BILLING_CONCURRENCY", SETTING_INT, "8", 1, 256, "requests to YooKassa in flight" },

    { "WEBHOOK_TYPE", SETTING_TEXT, "HOST", 0, 0, "HOST (own public address) or SERVEO (tunnel)" },
    { "WEBHOOK_HOST", SETTING_TEXT, "", 0, 0, "public https address of the gateway, for HOST" },
    { "WEBHOOK_SECRET", SETTING_SECRET, NULL, 0, 0,
      "what Telegram sends with each update: 1 to 256 of A-Z a-z 0-9 _ -" },
    { "WEBHOOK_TUNNEL_COMMAND", SETTING_TEXT, "", 0, 0,
      "tunnel program, {port} is the gateway's; serveo.net by ssh when empty" },
    { "WEBHOOK_TUNNEL_URL_REGEX", SETTING_TEXT, "", 0, 0,
      "finds the public address in what the tunnel prints; any https URL when empty, serveo's for "
      "its own command" },
    { "WEBHOOK_CHECK_INTERVAL", SETTING_DURATION, "10s", 100, HOUR_MS,
      "how often it is checked that updates arrive" },
    { "HTTP_LISTEN", SETTING_TEXT, "127.0.0.1:8080", 0, 0, "address:port of the gateway" },
    { "HTTP_API_TOKEN", SETTING_SECRET, NULL, 0, 0, "bearer token of the gateway's API" },

    { "YOOKASSA_URL", SETTING_URL, "https://api.yookassa.ru/v3", 0, 0, "YooKassa's API" },
    { "YOOKASSA_SHOP_ID", SETTING_TEXT, NULL, 0, 0, "shopId, from the YooKassa account" },
    { "YOOKASSA_SECRET_KEY", SETTING_SECRET, NULL, 0, 0, "secret key, from the YooKassa account" },
    { "BILLING_PENDING_DAYS", SETTING_INT, "7", 1, 3650, "days until an unpaid payment expires" },
    { "BILLING_GRACE_DAYS", SETTING_INT, "3", 0, 3650, "days a subscription outlives its end" },
    { "BILLING_MATCH_WINDOW", SETTING_DURATION, "1h", 60000, 30 * DAY_MS,
      "how far back provider payments are matched" },
    { "BILLING_TZ", SETTING_ZONE, "Europe/Moscow", 0, 0, "whose calendar days count in billing" },

    { "TRONGRID_URL", SETTING_URL, "https://api.trongrid.io", 0, 0, "TronGrid's API" },
    { "TRON_API_KEY", SETTING_SECRET, "", 0, 0, "TronGrid's key; without one it answers slowly" },
    { "TRON_USDT_CONTRACT", SETTING_TEXT, "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t", 0, 0,
      "address of the token contract" },
    { "TRON_CONFIRMATIONS", SETTING_INT, "19", 1, 1000, "blocks until a transfer is final" },
    { "TRON_CONCURRENCY", SETTING_INT, "8", 1, 256, "requests to TronGrid in flight" },

    { "VENDISTA_URL", SETTING_URL, "https://api.vendista.ru:99", 0, 0, "Vendista's API" },
    { "VENDISTA_DELAY_MS", SETTING_DURATION, "1100", 0, HOUR_MS, "pause between two requests" },
    { "VENDISTA_TZ", SETTING_ZONE, "Europe/Moscow", 0, 0, "zone of the times that Vendista gives" },

    { "S3_ENDPOINT", SETTING_URL, NULL, 0, 0, "the object store" },
    { "S3_BUCKET", SETTING_TEXT, NULL, 0, 0, "bucket" },
    { "S3_REGION", SETTING_TEXT, NULL, 0, 0, "region" },
    { "S3_ACCESS_KEY", SETTING_SECRET, NULL, 0, 0, "access key" },
    { "S3_SECRET_KEY", SETTING_SECRET, NULL, 0, 0, "secret key" },

    { "SMTP_URL", SETTING_TEXT, "", 0, 0, "smtps://host:465; no mail is sent when empty" },
    { "SMTP_USER", SETTING_TEXT, "", 0, 0, "user at the mail server" },
    { "SMTP_PASSWORD", SETTING_SECRET, "", 0, 0, "password at the mail server" },
    { "SMTP_FROM", SETTING_TEXT, "", 0, 0, "sender of the alerts" },
    { "ALERT_EMAIL", SETTING_TEXT, "", 0, 0, "receiver of the alerts" },

    { "OZHIVLYATOR_TZ", SETTING_ZONE, "Europe/Moscow", 0, 0, "whose calendar days count" },
    { "TGADMIN_TZ", SETTING_ZONE, "America/Sao_Paulo", 0, 0, "whose calendar days count" },
    { "SUBSCRIPTION_BATCH", SETTING_INT, "50", 1, 10000, "purchases of one batch" },

    { "FIELD_ENCRYPTION_KEY", SETTING_KEYS, NULL, 0, 0,
      "Fernet keys, comma-separated: the first encrypts, all decrypt" },
    { "TRANSLATION", SETTING_TEXT, "", 0, 0, "name of the translation set in use" },

    { "OPS_NOW", SETTING_TEXT, "", 0, 0, "RFC 3339: what `now` is, for tests and back-fills" },
    { "OPS_TICK", SETTING_TEXT, "", 0, 0, "the due instant of this run, set by opsd" },
    { "OPS_HOME", SETTING_TEXT, "", 0, 0, "opsd's folder; .ops beside ecosystem.json when empty" },
    { "OPS_PROFILE", SETTING_TEXT, "", 0, 0, "which of the manifest's apps run" },
};
/* clang-format on */

const size_t settings_count = sizeof settings / sizeof *settings;

static_assert(sizeof settings / sizeof *settings <= SETTINGS_MAX, "SETTINGS_MAX is too small");

static const char *const kind_names[SETTING_KINDS] = {
    [SETTING_TEXT] = "text", [SETTING_SECRET] = "secret",     [SETTING_KEYS] = "keys",
    [SETTING_INT] = "int",   [SETTING_DURATION] = "duration", [SETTING_ZONE] = "zone",
    [SETTING_URL] = "url",
};

const char *setting_kind_name(enum setting_kind kind)
{
    return kind_names[kind];
}

const struct setting *setting_find(const char *name)
{
    for (size_t i = 0; i < settings_count; i++)
        if (strcmp(settings[i].name, name) == 0)
            return &settings[i];
    return NULL;
}

static int check_int(const struct setting *setting, const char *value, int64_t *ret_number,
                     struct err *reterr)
{
    if (text_to_int(value, setting->least, setting->most, ret_number) == 0)
        return 0;
    if (setting->least == INT64_MIN)
        return err_set(reterr, -EINVAL, "want a whole number, got \"%s\"", value);
    return err_set(reterr, -EINVAL, "want a whole number from %ld to %ld, got \"%s\"",
                   setting->least, setting->most, value);
}

static int check_duration(const struct setting *setting, const char *value, int64_t *ret_number,
                          struct err *reterr)
{
    int64_t ms;

    if (duration_parse(value, &ms) < 0 || ms < setting->least || ms > setting->most)
        return err_set(reterr, -EINVAL,
                       "want a duration such as 30s, 5m or 1h from %ldms to %ldms, got \"%s\"",
                       setting->least, setting->most, value);
    *ret_number = ms;
    return 0;
}

/* A zone is a file of the system's time zone database; its first four bytes are TZif (RFC 8536,
 * section 3.1). */
static bool zone_exists(const char *zone)
{
    enum { ZONE_BYTES_MAX = 1 << 20 };
    const char *folder = getenv("TZDIR");
    OWN(free) char *path = NULL, *text = NULL;
    size_t n = 0;

    if (zone[0] == '/' || strstr(zone, ".."))
        return false;
    if (asprintf(&path, "%s/%s", folder ? folder : "/usr/share/zoneinfo", zone) < 0)
        return false;
    return file_read(path, ZONE_BYTES_MAX, &text, &n) == 0 && n >= 4 && !memcmp(text, "TZif", 4);
}

static int check_keys(const char *value, struct err *reterr)
{
    struct fernet keys;
    int r = fernet_keys_parse(value, &keys);

    explicit_bzero(&keys, sizeof keys);
    if (r == -E2BIG)
        return err_set(reterr, -EINVAL, "want at most %d keys", FERNET_KEYS_MAX);
    if (r < 0)
        return err_set(reterr, -EINVAL,
                       "want Fernet keys, comma-separated, each of 44 characters (32 bytes as "
                       "base64url); `opsctl generate_field_encryption_key` makes one");
    return 0;
}

int setting_check(const struct setting *setting, const char *value, int64_t *ret_number,
                  struct err *reterr)
{
    struct err why = { "" };
    int r;

    if (!text_is_utf8(value, strlen(value)))
        return err_set(reterr, -EINVAL, "want UTF-8 text");
    if (setting->kind == SETTING_INT)
        return check_int(setting, value, ret_number, reterr);
    if (setting->kind == SETTING_DURATION)
        return check_duration(setting, value, ret_number, reterr);
    if (setting->kind == SETTING_KEYS && check_keys(value, reterr) < 0)
        return -EINVAL;
    if (setting->kind == SETTING_ZONE && !zone_exists(value))
        return err_set(reterr, -EINVAL, "want a time zone such as Europe/Moscow, got \"%s\"",
                       value);
    if (setting->kind == SETTING_URL) {
        r = http_check_url(value, &why);
        if (r < 0)
            return err_set(reterr, -EINVAL, "%s", why.text);
    }
    *ret_number = 0;
    return 0;
}
