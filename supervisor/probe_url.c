/* What an http URL consists of, and the first line of its answer. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "probe.h"
#include "text.h"

static bool is_printable(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

static bool is_host(const char *host)
{
    char address[sizeof(struct in6_addr)];

    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, address) == 1 ||
           inet_pton(AF_INET6, host, address) == 1;
}

/* Takes "host", "host:port", "[address]" or "[address]:port" apart. */
static int parse_authority(const char *authority, struct probe_url *ret)
{
    const char *open = authority[0] == '[' ? authority + 1 : authority;
    const char *end = open + strcspn(open, open == authority ? ":" : "]");
    const char *port = end + (open != authority && *end == ']');
    int64_t number = 80;
    size_t n = (size_t)(end - open);

    if (n == 0 || n >= sizeof ret->host || (open != authority && *end != ']'))
        return -EINVAL;
    if (*port && (*port != ':' || text_to_int(port + 1, 1, 65535, &number) < 0))
        return -EINVAL;
    memcpy(ret->host, open, n);
    ret->host[n] = '\0';
    ret->port = (int)number;
    return is_host(ret->host) && (open != authority) == (strchr(ret->host, ':') != NULL) ? 0
                                                                                         : -EINVAL;
}

int probe_url_parse(const char *url, struct probe_url *ret, struct err *reterr)
{
    static const char scheme[] = "http://";
    const char *begin = url + strlen(scheme);
    struct probe_url parts = { .port = 0 };
    size_t n;

    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return err_set(reterr, -EINVAL, "want a URL that begins with http://");
    if (!is_printable(url))
        return err_set(reterr, -EINVAL, "spaces and other such characters are written as %%20");
    n = strcspn(begin, "/?#");
    if (n < sizeof parts.authority)
        memcpy(parts.authority, begin, n);
    if (n >= sizeof parts.authority || parse_authority(parts.authority, &parts) < 0)
        return err_set(reterr, -EINVAL,
                       "want http://ADDRESS:PORT/PATH, where ADDRESS is localhost or a number "
                       "such as 127.0.0.1 or [::1]");
    parts.path = begin + n;
    parts.path_length = strcspn(parts.path, "#");
    *ret = parts;
    return 0;
}

/* The status of the answer that begins here. */
static int status_at(const char *bytes, size_t n)
{
    const char *end = memchr(bytes, '\n', n);
    int status = 0;

    if (!end)
        return n < PROBE_ANSWER_MAX ? 0 : -EPROTO;
    if (end - bytes < 12 || memcmp(bytes, "HTTP/1.", 7) != 0 || bytes[8] != ' ' ||
        (end - bytes > 12 && bytes[12] != ' ' && bytes[12] != '\r'))
        return -EPROTO;
    for (int i = 9; i < 12; i++) {
        if (bytes[i] < '0' || bytes[i] > '9')
            return -EPROTO;
        status = status * 10 + bytes[i] - '0';
    }
    return status >= 100 && status < 600 ? status : -EPROTO;
}

int probe_http_status(const char *bytes, size_t n)
{
    const char *next;
    int status;

    for (;;) {
        status = status_at(bytes, n);
        if (status < 100 || status >= 200)
            return status;
        next = memmem(bytes, n, "\r\n\r\n", 4);
        if (!next)
            return n < PROBE_ANSWER_MAX ? 0 : -EPROTO;
        n -= (size_t)(next + 4 - bytes);
        bytes = next + 4;
    }
}
