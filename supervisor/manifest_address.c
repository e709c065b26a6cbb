/* Addresses in a manifest: sockets that opsd opens for an app, and where it is asked whether it is
 * ready. All of them are literal, since a name would have to be resolved, which may take long. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "manifest_read.h"
#include "probe.h"
#include "text.h"

#define ADDRESS_WANTS                                                                         \
    "an address such as tcp://127.0.0.1:8080, tcp://[::1]:8080 or unix:///path (at most 107 " \
    "bytes)"

enum { HOST_MAX = 64, PORT_MAX = 65535 };

union any_address {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un un;
    struct sockaddr_storage storage;
};

/* "HOST:PORT", the host an IPv4 address or an IPv6 address in brackets. */
static int parse_tcp(const char *text, struct listen_socket *ret)
{
    bool v6 = text[0] == '[';
    const char *host = text + v6, *end = strchr(host, v6 ? ']' : ':');
    union any_address address = { .storage = { 0 } };
    char literal[HOST_MAX];
    int64_t port;
    size_t n = end ? (size_t)(end - host) : sizeof literal;

    if (n >= sizeof literal || end[v6] != ':' || text_to_int(end + v6 + 1, 1, PORT_MAX, &port) < 0)
        return -EINVAL;
    memcpy(literal, host, n);
    literal[n] = '\0';
    if (v6) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons((uint16_t)port);
    } else {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons((uint16_t)port);
    }
    if (v6 ? inet_pton(AF_INET6, literal, &address.v6.sin6_addr) != 1
           : inet_pton(AF_INET, literal, &address.v4.sin_addr) != 1)
        return -EINVAL;
    ret->address = address.storage;
    ret->length = v6 ? sizeof address.v6 : sizeof address.v4;
    return 0;
}

static int parse_unix(const char *path, struct listen_socket *ret)
{
    union any_address address = { .storage = { 0 } };
    size_t n = strlen(path);

    if (path[0] != '/' || !path[1] || n >= sizeof address.un.sun_path)
        return -EINVAL;
    address.un.sun_family = AF_UNIX;
    memcpy(address.un.sun_path, path, n + 1);
    ret->address = address.storage;
    ret->length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

static int read_address(struct reader *reader, const struct place *place, struct listen_socket *ret)
{
    const char *text = cJSON_GetStringValue(place->value);
    int r = -EINVAL;

    if (text && strncmp(text, "tcp://", 6) == 0)
        r = parse_tcp(text + 6, ret);
    else if (text && strncmp(text, "unix://", 7) == 0)
        r = parse_unix(text + 7, ret);
    if (r < 0)
        return problems_add_wanted(reader->problems, place, ADDRESS_WANTS);
    ret->text = arena_text(reader->arena, text, strlen(text));
    return ret->text ? 0 : -ENOMEM;
}

static bool is_among(const struct listen_socket *socket, const struct listen_socket *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].length == socket->length &&
            memcmp(&list[i].address, &socket->address, socket->length) == 0)
            return true;
    return false;
}

int read_listen(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    int n = cJSON_GetArraySize(place->value), index = 0, result = 0, r;
    struct listen_socket *sockets;
    struct app *app = to;
    const cJSON *child;

    (void)field;
    if (!cJSON_IsArray(place->value) || n > MANIFEST_LISTEN_MAX)
        return -EINVAL;
    sockets = arena_alloc_array(reader->arena, (size_t)n, sizeof *sockets);
    if (!sockets)
        return -ENOMEM;
    cJSON_ArrayForEach(child, place->value)
    {
        struct place at = { .up = place, .index = index, .value = child };

        r = read_address(reader, &at, &sockets[index]);
        if (r == 0 && is_among(&sockets[index], sockets, (size_t)index))
            r = problems_add(reader->problems, &at, "this address is in the list already");
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result = r;
        index++;
    }
    app->listen = sockets;
    app->listen_count = result == 0 ? (size_t)n : 0;
    return result;
}

int read_socket_path(struct reader *reader, const struct field *field, const struct place *place,
                     void *to)
{
    struct listen_socket unused;
    const char *path;
    int r = read_path(reader, field, place, &path);

    if (r < 0)
        return r;
    if (parse_unix(path, &unused) < 0)
        return -EINVAL;
    *(const char **)to = path;
    return 0;
}

int read_url(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *text = cJSON_GetStringValue(place->value);
    struct probe_url url;
    struct err why;

    if (!text)
        return -EINVAL;
    if (probe_url_parse(text, &url, &why) < 0)
        return problems_add(reader->problems, place, "%s", why.text);
    return read_text(reader, field, place, to);
}
