/* Whether something accepts on a TCP port, and whether a URL answers with 2xx. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "own.h"
#include "probe_kinds.h"

struct probe_connection {
    struct probe probe;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char *request;                 /* READY_HTTP */
    char answer[PROBE_ANSWER_MAX]; /* no more than its first line is looked at */
    size_t n;
};

static struct probe_connection *of_handle(uv_handle_t *handle)
{
    return handle->data;
}

static void closed(uv_handle_t *handle)
{
    struct probe_connection *c = of_handle(handle);

    free(c->request);
    free(c);
}

static void end(struct probe *probe)
{
    struct probe_connection *c = (struct probe_connection *)probe;

    if (c->tcp.data) {
        uv_close((uv_handle_t *)&c->tcp, closed);
        return;
    }
    free(c->request);
    free(c);
}

/* A port of the range from which the kernel takes those of clients can be connected to itself when
 * nobody listens on it (RFC 9293, 3.5: simultaneous open); that is no answer. */
static bool is_self(const uv_tcp_t *tcp)
{
    struct sockaddr_storage here = { 0 }, there = { 0 };
    int here_length = sizeof here, there_length = sizeof there;

    return uv_tcp_getsockname(tcp, (struct sockaddr *)&here, &here_length) < 0 ||
           uv_tcp_getpeername(tcp, (struct sockaddr *)&there, &there_length) < 0 ||
           (here_length == there_length && memcmp(&here, &there, (size_t)here_length) == 0);
}

static void make_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct probe_connection *c = of_handle(handle);

    (void)suggested;
    *ret = uv_buf_init(c->answer + c->n, (unsigned)(sizeof c->answer - c->n));
}

static void was_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct probe_connection *c = of_handle((uv_handle_t *)stream);
    int status;

    (void)buf;
    if (n == 0)
        return;
    c->n += n > 0 ? (size_t)n : 0;
    status = n < 0 ? -EPIPE : probe_http_status(c->answer, c->n);
    if (status == 0)
        return;
    (void)uv_read_stop(stream);
    probe_answer(&c->probe, status >= 200 && status < 300);
}

/* When it failed, reading fails as well. */
static void written(uv_write_t *write, int status)
{
    (void)write;
    (void)status;
}

static void connected(uv_connect_t *connect, int status)
{
    struct probe_connection *c = of_handle((uv_handle_t *)connect->handle);
    uv_stream_t *stream = (uv_stream_t *)&c->tcp;
    uv_buf_t text;

    if (status == UV_ECANCELED)
        return;
    if (status < 0 || is_self(&c->tcp) || !c->request) {
        probe_answer(&c->probe, status == 0 && !is_self(&c->tcp));
        return;
    }
    text = uv_buf_init(c->request, (unsigned)strlen(c->request));
    if (uv_read_start(stream, make_room, was_read) < 0 ||
        uv_write(&c->write, stream, &text, 1, written) < 0)
        probe_answer(&c->probe, false);
}

/* localhost is either of its two addresses. */
static int address_of(const char *host, int port, unsigned round, struct sockaddr_storage *ret)
{
    if (strcmp(host, "localhost") == 0)
        host = round % 2 ? "::1" : "127.0.0.1";
    if (strchr(host, ':'))
        return uv_ip6_addr(host, port, (struct sockaddr_in6 *)ret);
    return uv_ip4_addr(host, port, (struct sockaddr_in *)ret);
}

static int begin_at(struct probe_connection *c, const char *host, int port)
{
    const struct probe_ask *ask = &c->probe.ask;
    struct sockaddr_storage address = { 0 };
    int r;

    r = address_of(host, port, ask->round, &address);
    if (r == 0)
        r = uv_tcp_init(ask->loop, &c->tcp);
    if (r < 0)
        return r;
    c->tcp.data = c;
    return uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&address, connected);
}

static int begin_tcp(struct probe *probe)
{
    return begin_at((struct probe_connection *)probe, "localhost", probe->ask.number);
}

static int begin_http(struct probe *probe)
{
    struct probe_connection *c = (struct probe_connection *)probe;
    struct probe_url url;
    int r;

    r = probe_url_parse(probe->ask.text, &url, NULL);
    if (r < 0)
        return r;
    r = asprintf(&c->request,
                 "GET %s%.*s HTTP/1.1\r\nHost: %s\r\nUser-Agent: opsd\r\nAccept: */*\r\n"
                 "Connection: close\r\n\r\n",
                 url.path_length && url.path[0] == '/' ? "" : "/", (int)url.path_length, url.path,
                 url.authority);
    if (r < 0) {
        c->request = NULL;
        return -ENOMEM;
    }
    return begin_at(c, url.host, url.port);
}

const struct probe_kind probe_tcp = {
    .every_ms = 100,
    .size = sizeof(struct probe_connection),
    .begin = begin_tcp,
    .end = end,
};

const struct probe_kind probe_http = {
    .every_ms = 250,
    .size = sizeof(struct probe_connection),
    .begin = begin_http,
    .end = end,
};
