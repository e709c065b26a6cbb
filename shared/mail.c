/* A mail's text, and its way through libcurl's SMTP. */
#include "mail.h"

#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "http.h"
#include "limits.h"
#include "own.h"

enum {
    MAIL_BYTES_MAX = 256 << 10,
    /* RFC 2045, 6.8: 76 characters a line, which are 57 bytes. */
    LINE_BYTES = 57,
    /* RFC 2047, 2: 75 characters a word, of which 12 are "=?UTF-8?B?" and "?=". */
    WORD_BYTES = 45,
};

static bool address_is_good(const char *address)
{
    const char *at = strchr(address, '@');

    for (const char *p = address; *p; p++)
        if (!isgraph((unsigned char)*p) || strchr("<>\"(),;:\\", *p))
            return false;
    return at && at > address && at[1] && !strchr(at + 1, '@');
}

static int add_base64(struct buf *to, const char *bytes, size_t n)
{
    unsigned char text[4 * ((LINE_BYTES + 2) / 3) + 1];
    int length = EVP_EncodeBlock(text, (const unsigned char *)bytes, (int)n);

    return buf_add(to, text, (size_t)length);
}

/* A word may not end inside of a character. */
static size_t word_bytes(const char *text)
{
    size_t n = strnlen(text, WORD_BYTES);

    while (text[n] && n > 1 && ((unsigned char)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

static int add_subject(struct buf *to, const char *subject)
{
    OWN(free) char *copy = strdup(subject);
    const char *rest = copy;
    int r = copy ? buf_add_text(to, "Subject:") : -ENOMEM;

    for (char *p = copy; p && *p; p++)
        if (iscntrl((unsigned char)*p))
            *p = ' ';
    while (r == 0 && *rest) {
        size_t n = word_bytes(rest);

        r = buf_add_text(to, rest == copy ? " =?UTF-8?B?" : "\r\n =?UTF-8?B?");
        if (r == 0)
            r = add_base64(to, rest, n);
        if (r == 0)
            r = buf_add_text(to, "?=");
        rest += n;
    }
    return r == 0 ? buf_add_text(to, "\r\n") : r;
}

static int add_body(struct buf *to, const char *text)
{
    size_t left = strlen(text), n;
    int r = buf_add_text(to, "\r\n");

    for (; left > 0 && r == 0; left -= n, text += n) {
        n = left < LINE_BYTES ? left : LINE_BYTES;
        r = add_base64(to, text, n);
        if (r == 0)
            r = buf_add_text(to, "\r\n");
    }
    return r;
}

/* The words are English whatever the locale (RFC 5322, 3.3). */
static int add_date(struct buf *to, int64_t now_ms)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;

    if (!gmtime_r(&now, &tm))
        return -EINVAL;
    return buf_printf(to, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday],
                      tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                      tm.tm_sec);
}

/* The whole message, with CRLF. */
static int compose(const struct mail *mail, struct buf *to, struct err *reterr)
{
    int r;

    if (!address_is_good(mail->from))
        return err_set(reterr, -EINVAL, "SMTP_FROM is no mail address");
    if (!address_is_good(mail->to))
        return err_set(reterr, -EINVAL, "the receiver is no mail address; see ALERT_EMAIL");
    r = add_date(to, mail->now_ms);
    if (r == 0)
        r = buf_printf(to,
                       "From: <%s>\r\nTo: <%s>\r\nMessage-ID: <ops.%" PRId64 ".%" PRId64 "%s>\r\n"
                       "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=UTF-8\r\n"
                       "Content-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n",
                       mail->from, mail->to, mail->id, mail->now_ms / 1000,
                       strchr(mail->from, '@'));
    if (r == 0)
        r = add_subject(to, mail->subject);
    if (r == 0)
        r = add_body(to, mail->text);
    return r < 0 ? err_set(reterr, r, "the mail is too long") : 0;
}

/* --- sending --- */

struct upload {
    const char *p;
    size_t left;
    bool begun;
};

static size_t give(char *to, size_t size, size_t n, void *closure)
{
    struct upload *upload = closure;

    n *= size;
    if (n > upload->left)
        n = upload->left;
    memcpy(to, upload->p, n);
    upload->p += n;
    upload->left -= n;
    upload->begun = true;
    return n;
}

/* The rule of http.h for plain text, on the same host with the other scheme. */
static bool is_loopback(const char *url)
{
    OWN(free) char *as_http = NULL;
    const char *rest = strstr(url, "://");

    return rest && asprintf(&as_http, "http%s", rest) > 0 && http_check_url(as_http, NULL) == 0;
}

#define SET(option, value)                                \
    do {                                                  \
        if (code == CURLE_OK)                             \
            code = curl_easy_setopt(easy, option, value); \
    } while (0)

static CURLcode set_server(CURL *easy, const struct mail_server *server)
{
    CURLcode code = CURLE_OK;

    SET(CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    SET(CURLOPT_URL, server->url);
    SET(CURLOPT_USE_SSL, (long)(is_loopback(server->url) ? CURLUSESSL_TRY : CURLUSESSL_ALL));
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, (long)MAIL_TIMEOUT_MS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_TIMEOUT_MS);
    if (*server->user) {
        SET(CURLOPT_USERNAME, server->user);
        SET(CURLOPT_PASSWORD, server->password);
    }
    return code;
}

static enum mail_outcome judge(CURL *easy, CURLcode code, const struct upload *upload)
{
    long reply = 0;

    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply);
    if (code == CURLE_OK)
        return MAIL_SENT;
    /* 454: too many logins at present (RFC 4954). */
    if (reply >= 400 && reply < 500)
        return MAIL_LATER;
    if (reply >= 500 || code == CURLE_LOGIN_DENIED || code == CURLE_URL_MALFORMAT ||
        code == CURLE_UNSUPPORTED_PROTOCOL)
        return MAIL_REFUSED;
    return upload->begun ? MAIL_UNKNOWN : MAIL_LATER;
}

static enum mail_outcome transfer(CURL *easy, const struct mail_server *server,
                                  const struct mail *mail, struct err *why)
{
    char from[512], to[512], detail[CURL_ERROR_SIZE] = "";
    struct curl_slist *receivers;
    OWN_BUF struct buf text = { 0 };
    struct upload upload;
    enum mail_outcome outcome;
    CURLcode code;

    buf_init(&text, MAIL_BYTES_MAX);
    if (compose(mail, &text, why) < 0)
        return MAIL_REFUSED;
    upload = (struct upload){ .p = text.p, .left = text.len };
    (void)snprintf(from, sizeof from, "<%s>", mail->from);
    (void)snprintf(to, sizeof to, "<%s>", mail->to);
    receivers = curl_slist_append(NULL, to);
    code = receivers ? set_server(easy, server) : CURLE_OUT_OF_MEMORY;
    SET(CURLOPT_MAIL_FROM, from);
    SET(CURLOPT_MAIL_RCPT, receivers);
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_READFUNCTION, give);
    SET(CURLOPT_READDATA, &upload);
    SET(CURLOPT_ERRORBUFFER, detail);
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    outcome = judge(easy, code, &upload);
    if (outcome != MAIL_SENT)
        (void)err_set(why, 0, "the mail server: %s", *detail ? detail : curl_easy_strerror(code));
    curl_slist_free_all(receivers);
    return outcome;
}

enum mail_outcome mail_send(const struct mail_server *server, const struct mail *mail,
                            struct err *why)
{
    CURL *easy = curl_easy_init();
    enum mail_outcome outcome;

    if (!easy) {
        (void)err_set(why, 0, "out of memory");
        return MAIL_LATER;
    }
    outcome = transfer(easy, server, mail, why);
    curl_easy_cleanup(easy);
    return outcome;
}

int mail_check(const struct mail_server *server, struct err *reterr)
{
    CURL *easy = curl_easy_init();
    char detail[CURL_ERROR_SIZE] = "";
    CURLcode code = easy ? set_server(easy, server) : CURLE_OUT_OF_MEMORY;

    SET(CURLOPT_CUSTOMREQUEST, "NOOP");
    SET(CURLOPT_NOBODY, 1L);
    SET(CURLOPT_ERRORBUFFER, detail);
    if (code == CURLE_OK)
        code = curl_easy_perform(easy);
    curl_easy_cleanup(easy);
    if (code == CURLE_OK)
        return 0;
    return err_set(reterr, -EIO, "%s", *detail ? detail : curl_easy_strerror(code));
}
