/*
 * Which URLs may be asked, and how a query is written. libcurl's own parser judges, so that there
 * is no second opinion on what the host of "http://127.0.0.1@example.com" is.
 */
#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "buf.h"
#include "http.h"
#include "limits.h"
#include "own.h"

static void own_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

static void own_part(char **part)
{
    curl_free(*part);
}

/* host as libcurl prints it: lower or upper case as given, numeric IPv4 forms normalised, IPv6 in
 * brackets. A name other than localhost could be made to resolve to anything. */
static bool host_is_loopback(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    size_t length = strlen(host);

    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    if (host[0] != '[' || length < 2 || length - 2 >= sizeof address)
        return false;
    memcpy(address, host + 1, length - 2);
    address[length - 2] = '\0';
    return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

static int url_split(CURLU *url, const char *text, char **ret_scheme, char **ret_host)
{
    CURLUcode code;

    code = curl_url_set(url, CURLUPART_URL, text, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_SCHEME, ret_scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, ret_host, 0);
    return (int)code;
}

int http_check_url(const char *text, struct err *reterr)
{
    OWN(url) CURLU *url = curl_url();
    OWN(part) char *scheme = NULL, *host = NULL, *user = NULL, *password = NULL;
    int code;

    if (!url)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (strlen(text) > HTTP_URL_MAX)
        return err_set(reterr, -EINVAL, "URL is longer than %d bytes", HTTP_URL_MAX);
    code = url_split(url, text, &scheme, &host);
    if (code == CURLUE_OUT_OF_MEMORY)
        return err_set(reterr, -ENOMEM, "out of memory");
    if (code != CURLUE_OK)
        return err_set(reterr, -EINVAL, "not a URL like https://host/path: %s",
                       curl_url_strerror((CURLUcode)code));
    if (curl_url_get(url, CURLUPART_USER, &user, 0) == CURLUE_OK ||
        curl_url_get(url, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK)
        return err_set(reterr, -EINVAL, "URL of host %s holds a user or a password; set them apart",
                       host);
    if (strcmp(scheme, "https") == 0)
        return 0;
    if (strcmp(scheme, "http") != 0)
        return err_set(reterr, -EINVAL, "URL of host %s is not https", host);
    if (!host_is_loopback(host))
        return err_set(reterr, -EINVAL, "http is for loopback addresses only; use https for %s",
                       host);
    return 0;
}

static int add_encoded(struct buf *url, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                     "0123456789-._~";
    size_t plain;
    int r;

    for (;;) {
        plain = strspn(text, unreserved);
        r = buf_add(url, text, plain);
        if (r < 0)
            return r;
        text += plain;
        if (!*text)
            return 0;
        r = buf_printf(url, "%%%02X", (unsigned char)*text++);
        if (r < 0)
            return r;
    }
}

static int add_pair(struct buf *url, const char *name, const char *value)
{
    bool first = url->len == 0 || !memchr(url->p, '?', url->len);
    int r;

    r = buf_add_text(url, first ? "?" : "&");
    if (r == 0)
        r = add_encoded(url, name);
    if (r == 0)
        r = buf_add_text(url, "=");
    if (r == 0)
        r = add_encoded(url, value);
    return r;
}

int http_add_query(struct buf *url, const char *name, const char *value)
{
    size_t before = url->len;
    int r;

    r = add_pair(url, name, value);
    if (r < 0 && url->p) {
        url->len = before;
        url->p[before] = '\0';
    }
    return r;
}
