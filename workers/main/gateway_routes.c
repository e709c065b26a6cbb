/*
 * Which path is whose, and who may ask it.
 *
 * Permission is decided before anything else is told, so that without the token a path that does
 * not exist looks like one that does.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "gateway.h"
#include "instant.h"
#include "settings.h"
#include "webhook.h"
#include "worker.h"

typedef void handler(struct exchange *x);

struct route {
    const char *method, *path; /* one part of the path may be {} */
    size_t body_max;
    handler *handle;
    uint64_t patience_ms;
};

/* clang-format off */
static const struct route routes[] = {
    { "GET",  "/healthz",                        API_BYTES_MAX,    health,                    STORE_MS },
    { "POST", "/telegram/{}",                    UPDATE_BYTES_MAX, update_take,               STORE_MS },
    { "GET",  "/metrics",                        API_BYTES_MAX,    metrics,                   STORE_MS },
    { "GET",  "/api/workers",                    API_BYTES_MAX,    api_workers,               STORE_MS },
    { "POST", "/api/workers/{}/restart",         API_BYTES_MAX,    api_restart,               RESTART_MS },
    { "GET",  "/api/queues",                     API_BYTES_MAX,    api_queues,                STORE_MS },
    { "GET",  "/api/jobs",                       API_BYTES_MAX,    api_jobs,                  STORE_MS },
    { "POST", "/api/jobs",                       ORDER_BYTES_MAX,  api_add,                   STORE_MS },
    { "POST", "/api/jobs/{}/cancel",             API_BYTES_MAX,    api_cancel,                STORE_MS },
    { "POST", "/api/jobs/{}/retry",              API_BYTES_MAX,    api_retry,                 STORE_MS },
    { "POST", "/api/purchases/{}/paid",          API_BYTES_MAX,    api_purchase_paid,         STORE_MS },
    { "GET",  "/api/tasks",                      API_BYTES_MAX,    api_tasks,                 STORE_MS },
    { "POST", "/api/auth/reset-payment-status",  API_BYTES_MAX,    api_reset_payment_status,  STORE_MS },
    { "GET",  "/",                               API_BYTES_MAX,    dashboard_redirect,        STORE_MS },
    { "GET",  "/dashboard",                      API_BYTES_MAX,    dashboard,                 STORE_MS },
    { "GET",  "/dashboard/{}",                   API_BYTES_MAX,    dashboard,                 STORE_MS },
};
/* clang-format on */

enum { ROUTES = sizeof routes / sizeof *routes, DIGEST_BYTES = 32 };

/* --- secrets --- */

static unsigned char token_digest[DIGEST_BYTES], secret_digest[DIGEST_BYTES];

/* Of digests there is nothing to be learnt by the time that a comparison takes, not even a
 * length. */
static bool digest_of(const char *text, unsigned char digest[static DIGEST_BYTES])
{
    return EVP_Digest(text, strlen(text), digest, NULL, EVP_sha256(), NULL) == 1;
}

static bool is_secret(const char *given, const unsigned char digest[static DIGEST_BYTES])
{
    unsigned char of_given[DIGEST_BYTES];

    return given && digest_of(given, of_given) &&
           CRYPTO_memcmp(of_given, digest, DIGEST_BYTES) == 0;
}

int routes_open(struct err *reterr)
{
    enum { TOKEN_LEAST = 16 };
    const char *token = setting_text("HTTP_API_TOKEN"), *secret = setting_text("WEBHOOK_SECRET");
    int r = webhook_check_secret(secret, reterr);

    if (r < 0)
        return r;
    if (strlen(token) < TOKEN_LEAST)
        return err_set(reterr, -EBADMSG,
                       "HTTP_API_TOKEN: want at least %d characters that nobody guesses, such as "
                       "the output of: openssl rand -hex 32",
                       TOKEN_LEAST);
    if (!digest_of(token, token_digest) || !digest_of(secret, secret_digest))
        return err_set(reterr, -ENOMEM, "SHA-256 is not to be had");
    return 0;
}

static bool has_token(struct exchange *x)
{
    static const char scheme[] = "Bearer ";
    const char *given = exchange_request_header(x, "Authorization");

    return given && strncasecmp(given, scheme, sizeof scheme - 1) == 0 &&
           is_secret(given + sizeof scheme - 1, token_digest);
}

/* The token as a password is for browsers, which know nothing else to ask for; any user name goes
 * with it (RFC 7617). */
static bool has_password(struct exchange *x)
{
    char *password = NULL;
    char *user = MHD_basic_auth_get_username_password(x->connection, &password);
    bool is_right = user && is_secret(password, token_digest);

    if (password)
        OPENSSL_cleanse(password, strlen(password));
    MHD_free(password);
    MHD_free(user);
    return is_right;
}

/* A browser sends its password along with whatever any site makes it ask, but a header like this
 * one only for a page of ours: others would need our leave (the Fetch standard, CORS-safelisted
 * request-header). What is asked with GET changes nothing. */
static bool is_our_page(struct exchange *x, const char *method)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 ||
        exchange_request_header(x, "X-Requested-With"))
        return true;
    exchange_error(x, MHD_HTTP_FORBIDDEN,
                   "with the token as a password X-Requested-With is wanted too, so that no other "
                   "site can act in your name; or use Authorization: Bearer");
    return false;
}

static bool begins_with(const char *path, const char *beginning)
{
    return strncmp(path, beginning, strlen(beginning)) == 0;
}

static bool is_for_people(const char *path)
{
    return strcmp(path, "/") == 0 || strcmp(path, "/dashboard") == 0 ||
           begins_with(path, "/dashboard/");
}

static bool is_telegram(struct exchange *x)
{
    if (is_secret(exchange_request_header(x, "X-Telegram-Bot-Api-Secret-Token"), secret_digest))
        return true;
    exchange_error(x, MHD_HTTP_UNAUTHORIZED,
                   "X-Telegram-Bot-Api-Secret-Token is not WEBHOOK_SECRET; set the webhook "
                   "again: opsctl setup_webhook");
    return false;
}

/* Only where a page is asked for does a browser ask the person: the page itself says what it does
 * not get. */
static void refuse(struct exchange *x, const char *path)
{
    bool person = is_for_people(path);

    exchange_error(x, MHD_HTTP_UNAUTHORIZED, "%s",
                   person ? "want HTTP_API_TOKEN as the password, with any user name"
                          : "want Authorization: Bearer HTTP_API_TOKEN; people open /dashboard");
    exchange_header(x, "WWW-Authenticate",
                    person ? "Basic realm=\"ops\", charset=\"UTF-8\"" : "Bearer realm=\"ops\"");
}

static bool may_ask(struct exchange *x, const char *method, const char *path)
{
    if (strcmp(path, "/healthz") == 0)
        return true;
    if (begins_with(path, "/telegram/"))
        return is_telegram(x);
    if (has_token(x))
        return true;
    if (has_password(x))
        return is_our_page(x, method);
    refuse(x, path);
    return false;
}

/* --- paths --- */

/* Compares part by part; what stands for {} goes to name, and must be there and fit. */
static bool fits(const char *pattern, const char *path, char name[static NAME_BYTES_MAX])
{
    const char *hole = strstr(pattern, "{}");
    size_t before = hole ? (size_t)(hole - pattern) : 0, n;

    if (!hole)
        return strcmp(pattern, path) == 0;
    if (strncmp(pattern, path, before) != 0)
        return false;
    n = strcspn(path + before, "/");
    if (n == 0 || n >= NAME_BYTES_MAX || strcmp(path + before + n, hole + 2) != 0)
        return false;
    memcpy(name, path + before, n);
    name[n] = '\0';
    return true;
}

/* HEAD is GET whose body libmicrohttpd leaves out. */
static bool is_asked_by(const struct route *route, const char *method)
{
    return strcmp(route->method, strcmp(method, "HEAD") == 0 ? "GET" : method) == 0;
}

/* The path's route for the method; else one of the path's routes, which says what there is. */
static const struct route *find(const char *method, const char *path,
                                char name[static NAME_BYTES_MAX])
{
    const struct route *other = NULL;

    for (size_t i = 0; i < ROUTES; i++) {
        if (!fits(routes[i].path, path, name))
            continue;
        if (is_asked_by(&routes[i], method))
            return &routes[i];
        other = &routes[i];
    }
    return other;
}

/* Names all methods that the path is asked by (RFC 9110, 15.5.6). */
static void refuse_method(struct exchange *x, const char *path)
{
    char allowed[64] = "";
    size_t n = 0;

    for (size_t i = 0; i < ROUTES && n < sizeof allowed; i++)
        if (fits(routes[i].path, path, x->name))
            n += (size_t)snprintf(allowed + n, sizeof allowed - n, "%s%s", n ? ", " : "",
                                  strcmp(routes[i].method, "GET") == 0 ? "GET, HEAD"
                                                                       : routes[i].method);
    exchange_error(x, MHD_HTTP_METHOD_NOT_ALLOWED, "this path is asked by %s", allowed);
    exchange_header(x, "Allow", allowed);
}

void route_begin(struct exchange *x, const char *method, const char *path)
{
    const struct route *route;

    if (!may_ask(x, method, path))
        return;
    route = find(method, path, x->name);
    if (!route)
        exchange_error(x, MHD_HTTP_NOT_FOUND, "no such path; see workers/main/README.md");
    else if (!is_asked_by(route, method))
        refuse_method(x, path);
    else
        x->route = route;
}

size_t route_body_max(const struct route *route)
{
    return route->body_max;
}

void route_handle(struct exchange *x)
{
    x->late_ms = monotonic_now_ms() + x->route->patience_ms;
    x->route->handle(x);
}
