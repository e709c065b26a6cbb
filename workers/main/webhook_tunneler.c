/*
 * webhook_tunneler: keeps Telegram's updates coming.
 *
 * Keeps     the tunnel (WEBHOOK_TYPE=SERVEO), and the webhook of each bot where updates should go.
 * Checks    at WEBHOOK_CHECK_INTERVAL: the gateway by its own address, by the public one, and what
 *           Telegram says.
 * Records   main.webhook, and what is wrong, once each time it changes.
 */
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "instant.h"
#include "json.h"
#include "main_sql.h"
#include "notify.h"
#include "own.h"
#include "text.h"
#include "tunnel.h"
#include "webhook.h"
#include "webhook_tunneler_sql.h"

/* Options of facts and of ssh_config(5): a dead connection is noticed within 90 s by ssh itself, a
 * port that is taken ends it, and a new host key is accepted once, since nobody is there to ask. */
static const char SERVEO[] =
    "ssh -o ServerAliveInterval=30 -o ServerAliveCountMax=3 -o ExitOnForwardFailure=yes "
    "-o ConnectTimeout=10 -o StrictHostKeyChecking=accept-new -R 80:localhost:{port} serveo.net";
static const char SERVEO_ADDRESS[] =
    "https://[A-Za-z0-9.-]+\\.(serveo\\.net|serveousercontent\\.com)";
static const char ANY_ADDRESS[] = "https://[A-Za-z0-9.-]+[A-Za-z0-9]";

enum {
    LOCK_MS = 10000,
    PROBE_MS = 5000,
    /* ssh connects within 10 s and prints at once; others take longer. */
    ADDRESS_MS = 30000,
    /* One lost request is no broken tunnel. */
    MISSES_MAX = 3,
    PAUSE_FIRST_MS = 1000,
    PAUSE_MOST_MS = 60000,
    MARK_BODY_MAX = 64 << 10,
};

struct hook {
    const char *bot;
    bool set;
    uint64_t next_ms;   /* when setting it is tried again */
    unsigned pause_ms;  /* after the next failure */
    int64_t error_date; /* of Telegram's last error that was told */
    struct err wrong;   /* why it is not set */
};

static struct {
    struct run *run;
    const char *command, *port;
    regex_t address_is;
    struct tunnel tunnel;
    char address[WEBHOOK_URL_MAX]; /* "": none yet */
    char local[WEBHOOK_URL_MAX];   /* "": the gateway's own address cannot be asked */
    char mark[WEBHOOK_MARK_MAX];
    struct hook hooks[WEBHOOK_BOTS_MAX];
    size_t hooks_n;
    uint64_t check_ms, open_ms; /* when that is due */
    unsigned pause_ms;
    int misses;
    int64_t pending;
    struct err wrong; /* what is, "" when nothing is */
} all;

/* --- telling --- */

static void tell_status(void)
{
    char message[ERR_TEXT_MAX + WEBHOOK_URL_MAX + 64];

    (void)snprintf(message, sizeof message, "STATUS=%s: %s%s, %lld updates wait",
                   *all.address ? all.address : "no tunnel", *all.wrong.text ? "" : "healthy",
                   all.wrong.text, (long long)all.pending);
    (void)notify_send(message);
}

/* A failure that goes on is told once. */
static void tell_wrong(const struct err *wrong)
{
    if (strcmp(wrong->text, all.wrong.text) != 0) {
        if (*wrong->text)
            log_warn("updates may not arrive", LOG_TEXT("reason", wrong->text),
                     LOG_TEXT("address", all.address));
        else
            log_info("updates arrive", LOG_TEXT("address", all.address));
    }
    all.wrong = *wrong;
    all.run->stats.failed += *wrong->text != '\0';
    all.run->stats.selected++;
    run_progress(all.run);
    tell_status();
}

static int record_opened(void)
{
    char pid[16], start[TUNNEL_START_MAX];
    bool known = all.tunnel.pid && tunnel_identify(all.tunnel.pid, start);
    int r;

    (void)snprintf(pid, sizeof pid, "%d", (int)all.tunnel.pid);
    r = db_run(all.run->db, &sql[SQL_OPENED], NULL, setting_text("WEBHOOK_TYPE"),
               *all.address ? all.address : NULL, known ? pid : NULL, known ? start : NULL,
               known ? all.command : NULL);
    return r < 0 ? run_db_failed(all.run, r, "record the address") : 0;
}

static int record_checked(const struct err *wrong)
{
    int r = db_run(all.run->db, &sql[SQL_CHECKED], NULL, *wrong->text ? "false" : "true",
                   *wrong->text ? wrong->text : NULL);

    tell_wrong(wrong);
    return r < 0 ? run_db_failed(all.run, r, "record the check") : 0;
}

/* --- the tunnel --- */

static void put_off(unsigned *pause_ms, uint64_t *next_ms)
{
    *next_ms = monotonic_now_ms() + *pause_ms;
    *pause_ms = *pause_ms * 2 < PAUSE_MOST_MS ? *pause_ms * 2 : PAUSE_MOST_MS;
}

/* Waits for the stop, for something to read unless fd is -1, or until then. Returns false once told
 * to stop. */
static bool wait_for(int fd, uint64_t until_ms)
{
    struct pollfd waits[] = { { .fd = worker_stop_fd(), .events = POLLIN },
                              { .fd = fd, .events = POLLIN } };
    uint64_t now_ms = monotonic_now_ms();

    (void)poll(waits, 2, until_ms > now_ms ? (int)(until_ms - now_ms) : 0);
    return !worker_stopping();
}

/* The same, or for what the tunnel prints. */
static bool wait_until(uint64_t until_ms)
{
    return wait_for(all.tunnel.minder ? all.tunnel.output_fd : -1, until_ms);
}

static int close_tunnel(void)
{
    tunnel_end(&all.tunnel);
    all.address[0] = '\0';
    all.misses = 0;
    for (size_t i = 0; i < all.hooks_n; i++)
        all.hooks[i].set = false;
    put_off(&all.pause_ms, &all.open_ms);
    return record_opened();
}

static int lose_tunnel(const char *why)
{
    struct err wrong;
    int r;

    (void)err_set(&wrong, 0, "the tunnel %s%s%s", why, *all.tunnel.last ? "; it said: " : "",
                  all.tunnel.last);
    r = close_tunnel();
    return r < 0 ? r : record_checked(&wrong);
}

/* Without an address in the end it is tried again later. */
static int open_tunnel(void)
{
    uint64_t until_ms = monotonic_now_ms() + ADDRESS_MS;
    struct err why = { "" };
    int r = tunnel_start(&all.tunnel, all.command, all.port, &why);

    if (r < 0)
        return run_failed(all.run, r, why.text);
    while (r == 0 && !*all.tunnel.url && monotonic_now_ms() < until_ms) {
        if (!wait_until(until_ms))
            return 0;
        r = tunnel_read(&all.tunnel, &all.address_is);
    }
    if (!*all.tunnel.url)
        return lose_tunnel(r < 0 ? "ended"
                                 : "has printed no address that "
                                   "WEBHOOK_TUNNEL_URL_REGEX fits");
    (void)snprintf(all.address, sizeof all.address, "%s", all.tunnel.url);
    log_info("the tunnel is open", LOG_TEXT("address", all.address),
             LOG_INT("pid", all.tunnel.pid));
    all.check_ms = 0;
    return record_opened();
}

/* What a worker that was killed together with its minder has left. */
static int end_leftover(void)
{
    OWN_ROWS struct rows rows = { 0 };
    int r = db_run0(all.run->db, &main_sql[MAIN_SQL_WEBHOOK], &rows);

    if (r < 0)
        return run_db_failed(all.run, r, "read main.webhook");
    if (!rows.count || !rows_text(&rows, 0, 2) || !rows_text(&rows, 0, 3) ||
        !rows_text(&rows, 0, 4))
        return 0;
    if (tunnel_end_leftover((pid_t)rows_int(&rows, 0, 2), rows_text(&rows, 0, 3),
                            rows_text(&rows, 0, 4), all.port))
        log_warn("ended a tunnel that an earlier life left behind",
                 LOG_INT("pid", rows_int(&rows, 0, 2)));
    return 0;
}

/* --- webhooks --- */

static int set_hook(struct hook *hook, struct err *wrong)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    int r = webhook_set(all.run, all.address, hook->bot, false, &answer);

    /* A bot whose token is refused does not stop the others; the alert is raised. */
    if (r < 0 && r != -EACCES)
        return r;
    if (r == 0 && answer.verdict == TELEGRAM_DONE) {
        log_info("the webhook is set", LOG_TEXT("bot", hook->bot),
                 LOG_TEXT("address", all.address));
        all.run->stats.changed++;
        hook->set = true;
        hook->pause_ms = PAUSE_FIRST_MS;
        hook->error_date = instant_now() / 1000;
        return 0;
    }
    put_off(&hook->pause_ms, &hook->next_ms);
    (void)err_set(&hook->wrong, 0, "setWebhook of %s: %s", hook->bot,
                  r < 0 ? "the token is refused" : answer.why.text);
    *wrong = hook->wrong;
    return 0;
}

/* Whatever else set it meanwhile, it is set again; what Telegram last met is told. */
static int check_hook(struct hook *hook, struct err *wrong)
{
    OWN_TELEGRAM_ANSWER struct telegram_answer answer = { 0 };
    char url[WEBHOOK_URL_MAX];
    const char *there;
    int64_t date = 0, pending = 0;
    int r = webhook_info(all.run, hook->bot, &answer);

    if (r < 0 && r != -EACCES)
        return r;
    if (r < 0 || answer.verdict != TELEGRAM_DONE) {
        (void)err_set(wrong, 0, "getWebhookInfo of %s: %s", hook->bot,
                      r < 0 ? "the token is refused" : answer.why.text);
        return 0;
    }
    there = json_get_text(answer.result, "url");
    if (!there || strcmp(there, webhook_url(all.address, hook->bot, url)) != 0) {
        log_warn("the webhook is somebody else's; setting it again", LOG_TEXT("bot", hook->bot));
        hook->set = false;
        return set_hook(hook, wrong);
    }
    (void)json_get_id(answer.result, "pending_update_count", &pending);
    all.pending += pending;
    if (json_get_id(answer.result, "last_error_date", &date) < 0 || date <= hook->error_date)
        return 0;
    hook->error_date = date;
    (void)err_set(wrong, 0, "Telegram cannot deliver to %s: %s", hook->bot,
                  log_or_null(json_get_text(answer.result, "last_error_message")));
    return 0;
}

static int set_hooks(struct err *wrong)
{
    uint64_t now_ms = monotonic_now_ms();
    int r = 0;

    for (size_t i = 0; r == 0 && i < all.hooks_n && !worker_stopping(); i++)
        if (!all.hooks[i].set && now_ms >= all.hooks[i].next_ms)
            r = set_hook(&all.hooks[i], wrong);
    return r;
}

/* --- checks --- */

/* Whether our gateway, and not somebody's page about tunnels, answers there. */
static bool answers(const char *address)
{
    OWN_REPLY struct http_reply reply = { 0 };
    char url[WEBHOOK_URL_MAX + 16];

    (void)snprintf(url, sizeof url, "%.*s/healthz",
                   (int)(strlen(address) - (address[strlen(address) - 1] == '/')), address);
    if (http_call(
            all.run->http,
            &(struct http_request){ .url = url, .timeout_ms = PROBE_MS, .body_max = MARK_BODY_MAX },
            &reply) < 0)
        return false;
    return reply.status && strstr(reply.body, all.mark);
}

static int check_public(struct err *wrong)
{
    if (*all.local && !answers(all.local)) {
        (void)err_set(wrong, 0, "the gateway does not answer at %s; see opsctl describe gateway",
                      all.local);
        return 0;
    }
    if (answers(all.address)) {
        all.misses = 0;
        all.pause_ms = PAUSE_FIRST_MS;
        return 0;
    }
    (void)err_set(wrong, 0, "the gateway does not answer at its public address");
    if (++all.misses < MISSES_MAX)
        return 0;
    all.misses = 0;
    for (size_t i = 0; i < all.hooks_n; i++)
        all.hooks[i].set = false;
    return webhook_is_tunnel() ? lose_tunnel("is open, but nothing comes through") : 0;
}

static int check(void)
{
    struct err wrong = { "" };
    int r;

    all.check_ms = monotonic_now_ms() + (uint64_t)setting_int("WEBHOOK_CHECK_INTERVAL");
    all.pending = 0;
    r = set_hooks(&wrong);
    for (size_t i = 0; r == 0 && i < all.hooks_n && !worker_stopping(); i++) {
        if (all.hooks[i].set)
            r = check_hook(&all.hooks[i], &wrong);
        else
            wrong = all.hooks[i].wrong;
    }
    if (r == 0)
        r = check_public(&wrong);
    return r < 0 || !*all.address ? r : record_checked(&wrong);
}

/* --- one after the other --- */

/* The next thing that is due, or waiting. */
static int turn(void)
{
    struct err wrong = { "" };
    uint64_t until_ms = all.check_ms;
    int r;

    if (all.tunnel.minder && tunnel_read(&all.tunnel, &all.address_is) < 0)
        return lose_tunnel("ended");
    if (!*all.address && monotonic_now_ms() >= all.open_ms)
        return open_tunnel();
    if (!*all.address) {
        (void)wait_until(all.open_ms);
        return 0;
    }
    if (monotonic_now_ms() >= all.check_ms)
        return check();
    r = set_hooks(&wrong);
    if (r < 0)
        return r;
    if (*wrong.text)
        return record_checked(&wrong);
    for (size_t i = 0; i < all.hooks_n; i++)
        if (!all.hooks[i].set && all.hooks[i].next_ms < until_ms)
            until_ms = all.hooks[i].next_ms;
    (void)wait_until(until_ms);
    return 0;
}

/* --- the beginning --- */

/* The gateway's own address, where this program may ask plain http: on loopback. */
static void find_local(void)
{
    const char *listen_text = setting_text("HTTP_LISTEN");
    const char *colon = strrchr(listen_text, ':');
    bool any = strncmp(listen_text, "0.0.0.0:", 8) == 0 || strncmp(listen_text, "[::]:", 5) == 0;

    all.port = colon ? colon + 1 : listen_text;
    if (any)
        (void)snprintf(all.local, sizeof all.local, "http://127.0.0.1:%s", all.port);
    else
        (void)snprintf(all.local, sizeof all.local, "http://%.*s", WEBHOOK_URL_MAX / 2,
                       listen_text);
    if (http_check_url(all.local, NULL) < 0)
        all.local[0] = '\0';
}

static int read_settings(struct err *reterr)
{
    const char *address = setting_text("WEBHOOK_TUNNEL_URL_REGEX");
    char why[128];
    int r = webhook_check_settings(reterr);

    if (r < 0)
        return r;
    all.command = setting_text("WEBHOOK_TUNNEL_COMMAND");
    if (!*address)
        address = *all.command ? ANY_ADDRESS : SERVEO_ADDRESS;
    if (!*all.command)
        all.command = SERVEO;
    r = regcomp(&all.address_is, address, REG_EXTENDED);
    if (r != 0) {
        (void)regerror(r, &all.address_is, why, sizeof why);
        return err_set(reterr, -EBADMSG, "WEBHOOK_TUNNEL_URL_REGEX: %s (regex(7), extended)", why);
    }
    find_local();
    (void)webhook_mark(setting_text("WEBHOOK_SECRET"), all.mark);
    all.pause_ms = PAUSE_FIRST_MS;
    return 0;
}

static int take_lock(bool *ret)
{
    OWN_ROWS struct rows rows = { 0 };
    int r = db_run0(all.run->db, &sql[SQL_LOCK], &rows);

    *ret = r == 0 && rows_bool(&rows, 0, 0);
    return r < 0 ? run_db_failed(all.run, r, "take the lock") : 0;
}

/* What a new connection needs: the lock, and the tokens. */
static int begin(void)
{
    const char *bots[WEBHOOK_BOTS_MAX];
    bool mine = false;
    int r = take_lock(&mine);

    while (r == 0 && !mine) {
        (void)notify_send("STATUS=another host keeps the webhook");
        /* What the tunnel prints meanwhile is read later. */
        if (!wait_for(-1, monotonic_now_ms() + LOCK_MS))
            return 0;
        r = take_lock(&mine);
    }
    if (r == 0)
        r = webhook_open(all.run, bots, &all.hooks_n);
    for (size_t i = 0; r == 0 && i < all.hooks_n; i++)
        all.hooks[i] = (struct hook){ .bot = bots[i], .pause_ms = PAUSE_FIRST_MS };
    return r;
}

static int first(void)
{
    int r = end_leftover();

    if (r < 0 || webhook_is_tunnel())
        return r;
    (void)snprintf(all.address, sizeof all.address, "%s", setting_text("WEBHOOK_HOST"));
    return record_opened();
}

static int serve(struct run *run)
{
    struct err why = { "" };
    int r;

    all.run = run;
    r = read_settings(&why);
    if (r < 0)
        return run_failed(run, r, why.text);
    if (run->dry_run) {
        log_info("dry run: the settings are good; nothing is set");
        return 0;
    }
    r = begin();
    if (r == 0 && !run_stopping(run))
        r = first();
    while (!run_stopping(run) && r == 0) {
        r = turn();
        if (r < 0 && db_lost(run->db)) {
            r = run_reconnect(run);
            if (r == 0)
                r = begin();
        }
    }
    tunnel_end(&all.tunnel);
    telegram_ask_close();
    regfree(&all.address_is);
    return run_stopping(run) ? 0 : r;
}

const struct worker worker = {
    .app = "main",
    .name = "webhook_tunneler",
    .about = "keep the tunnel and the webhooks, so that Telegram's updates arrive",
    .kind = WORKER_SERVICE,
    .needs = WORKER_NEEDS(TELEGRAM_ASK_NEEDS, WEBHOOK_NEEDS, "WEBHOOK_TUNNEL_COMMAND",
                          "WEBHOOK_TUNNEL_URL_REGEX", "WEBHOOK_CHECK_INTERVAL", "HTTP_LISTEN"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = main_sql,
    .app_sql_count = MAIN_SQL_COUNT,
    .in_flight = 1,
    .run = serve,
};
