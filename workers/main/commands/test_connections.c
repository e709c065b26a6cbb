/*
 * test_connections: asks every outside service that is configured whether it answers and knows us.
 *
 * One line each with the time it took; exit 1 when one fails. Nothing is changed anywhere. A
 * service that wants an account is used when its variable is set; TronGrid and Vendista are asked
 * by their default addresses, too, as the workers do.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "instant.h"
#include "limits.h"
#include "mail.h"
#include "own.h"
#include "settings.h"
#include "worker.h"

/* SHA-256 of nothing, which S3 wants to be told. */
#define EMPTY_HASH \
    "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum { PATIENCE_MS = 10000 };

/* Set in the environment or .env; or else the default of settings.c, "" where it has none. */
static const char *value(const char *name)
{
    const char *set = getenv(name), *fallback = setting_find(name)->fallback;

    return set && *set ? set : fallback ? fallback : "";
}

/* One GET, or POST where body is given. Returns 0 for an answer that is no refusal. */
static int get(struct run *run, const struct http_request *request, int most, struct err *reterr)
{
    OWN_REPLY struct http_reply reply = { 0 };
    int r;

    r = http_submit(run->http, request);
    if (r == 0)
        r = http_collect(run->http, &reply);
    if (r < 0)
        return err_set(reterr, r, "%s", http_error(run->http));
    if (reply.status == 0)
        return err_set(reterr, -EIO, "%s", reply.error.text);
    if (reply.status > most)
        return err_set(reterr, -EIO, "HTTP %d", reply.status);
    return 0;
}

static int check_url(struct run *run, struct http_request *request, const char *variable,
                     const char *path, struct err *reterr)
{
    OWN_BUF struct buf url = { 0 };
    int r;

    buf_init(&url, HTTP_URL_MAX);
    r = buf_printf(&url, "%s%s", value(variable), path);
    if (r < 0)
        return err_set(reterr, r, "%s is too long", variable);
    request->url = url.p;
    request->timeout_ms = PATIENCE_MS;
    /* Vendista has no request without a login: any answer but a server's error shows it is there.
     */
    return get(run, request, strcmp(variable, "VENDISTA_URL") == 0 ? 499 : 299, reterr);
}

static int check_database(struct run *run, struct err *reterr)
{
    struct db *db = NULL;
    int r;

    (void)run;
    r = db_open(value("DATABASE_URL"), "main/test_connections", worker_stop_fd(), &db, reterr);
    db_close(db);
    return r;
}

static int check_s3(struct run *run, struct err *reterr)
{
    static const char *const headers[] = { EMPTY_HASH, NULL };
    char signature[128];

    (void)snprintf(signature, sizeof signature, "aws:amz:%s:s3", value("S3_REGION"));
    return check_url(run,
                     &(struct http_request){ .user = value("S3_ACCESS_KEY"),
                                             .password = value("S3_SECRET_KEY"),
                                             .headers = headers,
                                             .aws_sigv4 = signature },
                     "S3_ENDPOINT", "/", reterr);
}

static int check_telegram(struct run *run, struct err *reterr)
{
    char path[256];

    (void)snprintf(path, sizeof path, "/bot%.200s/getMe", value("TELEGRAM_BOT_TOKEN"));
    return check_url(run, &(struct http_request){ 0 }, "TELEGRAM_API_URL", path, reterr);
}

static int check_yookassa(struct run *run, struct err *reterr)
{
    return check_url(run,
                     &(struct http_request){ .user = value("YOOKASSA_SHOP_ID"),
                                             .password = value("YOOKASSA_SECRET_KEY") },
                     "YOOKASSA_URL", "/payments?limit=1", reterr);
}

static int check_trongrid(struct run *run, struct err *reterr)
{
    char key[256];
    const char *const headers[] = { *value("TRON_API_KEY") ? key : NULL, NULL };

    (void)snprintf(key, sizeof key, "TRON-PRO-API-KEY: %.200s", value("TRON_API_KEY"));
    return check_url(run, &(struct http_request){ .method = "POST", .headers = headers },
                     "TRONGRID_URL", "/wallet/getnowblock", reterr);
}

static int check_vendista(struct run *run, struct err *reterr)
{
    return check_url(run, &(struct http_request){ 0 }, "VENDISTA_URL", "/", reterr);
}

static int check_smtp(struct run *run, struct err *reterr)
{
    (void)run;
    return mail_check(&(struct mail_server){ .url = value("SMTP_URL"),
                                             .user = value("SMTP_USER"),
                                             .password = value("SMTP_PASSWORD") },
                      reterr);
}

/* clang-format off */
static const struct {
    const char *name;
    const char *used_by; /* set: it is used; NULL: it always is */
    int (*check)(struct run *run, struct err *reterr);
} checks[] = {
    { "database", "DATABASE_URL",       check_database },
    { "S3",       "S3_ENDPOINT",        check_s3 },
    { "Telegram", "TELEGRAM_BOT_TOKEN", check_telegram },
    { "YooKassa", "YOOKASSA_SHOP_ID",   check_yookassa },
    { "TronGrid", NULL,                 check_trongrid },
    { "Vendista", NULL,                 check_vendista },
    { "SMTP",     "SMTP_URL",           check_smtp },
};
/* clang-format on */

static bool is_used(const char *used_by)
{
    return !used_by || (getenv(used_by) && *getenv(used_by));
}

static int check_one(struct run *run, size_t i)
{
    uint64_t start_ms = monotonic_now_ms();
    struct err why = { "" };
    int r;

    if (!is_used(checks[i].used_by)) {
        (void)printf("-     %-9s not configured (%s)\n", checks[i].name, checks[i].used_by);
        return 0;
    }
    r = checks[i].check(run, &why);
    (void)printf("%-5s %-9s %d ms%s%s\n", r < 0 ? "FAIL" : "ok", checks[i].name,
                 (int)(monotonic_now_ms() - start_ms), r < 0 ? ": " : "", why.text);
    (void)fflush(stdout);
    return r;
}

static int test_connections(struct run *run)
{
    int failed = 0;

    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        failed += check_one(run, i) < 0;
    return failed ? -EIO : 0;
}

const struct worker worker = {
    .app = "main",
    .name = "test_connections",
    .about = "ask every configured service whether it answers and knows us",
    .kind = WORKER_COMMAND,
    .in_flight = 1,
    .run = test_connections,
};
