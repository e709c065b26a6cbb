/* The control socket: connections, their lines in and out, and who may ask. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct outgoing {
    uv_write_t write;
    char *line;
};

static void connection_close(struct connection *connection);

/* --- out */

static void written(uv_write_t *write, int status)
{
    struct connection *connection = write->handle->data;
    struct outgoing *outgoing = write->data;
    struct attachment *a, *next;

    free(outgoing->line);
    free(outgoing);
    if (status < 0) {
        connection_close(connection);
        return;
    }
    if (connection_backlog(connection) >= CONNECTION_STREAM_QUEUE)
        return;
    for (a = connection->attachments; a && !connection->closing; a = next) {
        next = a->next;
        if (a->resume)
            a->resume(a);
    }
    if (connection->read_all && !connection->attachments && !connection_backlog(connection))
        connection_close(connection);
}

size_t connection_backlog(const struct connection *connection)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe);
}

void connection_send(struct connection *connection, char *line)
{
    struct outgoing *outgoing = line ? calloc(1, sizeof *outgoing) : NULL;
    uv_buf_t buf;

    if (!outgoing || connection->closing || connection_backlog(connection) > CONNECTION_QUEUE_MAX) {
        free(outgoing);
        free(line);
        connection_close(connection);
        return;
    }
    outgoing->line = line;
    outgoing->write.data = outgoing;
    buf = uv_buf_init(line, (unsigned)strlen(line));
    if (uv_write(&outgoing->write, (uv_stream_t *)&connection->pipe, &buf, 1, written) < 0) {
        free(outgoing);
        free(line);
        connection_close(connection);
    }
}

void connection_result(struct connection *connection, const cJSON *id, cJSON *result)
{
    if (id)
        connection_send(connection, wire_result(id, result));
    else
        cJSON_Delete(result);
}

void connection_fail(struct connection *connection, const cJSON *id, int code, const char *message,
                     cJSON *data)
{
    if (id)
        connection_send(connection, wire_failure(id, code, message, data));
    else
        cJSON_Delete(data);
}

void connection_notify(struct connection *connection, const char *method, cJSON *params)
{
    connection_send(connection, wire_notification(method, params));
}

void connection_attach(struct connection *connection, struct attachment *attachment,
                       const cJSON *id)
{
    attachment->id = id ? cJSON_Duplicate(id, 1) : NULL;
    attachment->next = connection->attachments;
    connection->attachments = attachment;
}

static void untie(struct connection *connection, struct attachment *attachment)
{
    struct attachment **p = &connection->attachments;

    while (*p != attachment)
        p = &(*p)->next;
    *p = attachment->next;
    cJSON_Delete(attachment->id);
    attachment->drop(attachment);
}

void connection_detach(struct connection *connection, struct attachment *attachment)
{
    if (!connection->closing)
        untie(connection, attachment);
}

/* --- life */

static void closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    buf_done(&connection->in);
    free(connection);
}

static void connection_close(struct connection *connection)
{
    struct connection **p = &connection->control->connections;

    if (connection->closing)
        return;
    connection->closing = true;
    while (connection->attachments)
        untie(connection, connection->attachments);
    while (*p != connection)
        p = &(*p)->next;
    *p = connection->next;
    connection->control->count--;
    uv_close((uv_handle_t *)&connection->pipe, closed);
}

/* The client has closed its side. One that only will not send more (`nc -N`) still hears the
 * answers; one that is gone is closed. */
static void input_ended(struct connection *connection)
{
    struct pollfd p = { .events = POLLOUT };

    connection->read_all = true;
    if (uv_fileno((uv_handle_t *)&connection->pipe, &p.fd) < 0 || poll(&p, 1, 0) < 0 ||
        (p.revents & (POLLHUP | POLLERR)) ||
        (!connection->attachments && !connection_backlog(connection)))
        connection_close(connection);
}

/* --- in */

static bool is_owner(const struct connection *connection)
{
    struct ucred peer;
    socklen_t n = sizeof peer;
    int fd;

    if (uv_fileno((const uv_handle_t *)&connection->pipe, &fd) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
        return false;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void take_line(struct connection *connection, const char *line, size_t n)
{
    struct wire_request request = { 0 };
    const char *why = NULL;
    int code;

    if (n && line[n - 1] == '\r')
        n--;
    if (!n)
        return;
    code = wire_parse(line, n, &request, &why);
    if (code)
        connection_send(connection, wire_failure(request.id, code, why, NULL));
    else
        methods_call(connection, &request, is_owner(connection));
    wire_request_done(&request);
}

static void take_lines(struct connection *connection)
{
    char *newline;
    size_t n, taken = 0;

    while (!connection->closing &&
           (newline = memchr(connection->in.p + taken, '\n', connection->in.len - taken))) {
        n = (size_t)(newline - connection->in.p) - taken;
        take_line(connection, connection->in.p + taken, n);
        taken += n + 1;
    }
    buf_shift(&connection->in, taken);
    if (connection->in.len < WIRE_REQUEST_MAX || connection->closing)
        return;
    connection_send(connection, wire_failure(NULL, WIRE_INVALID,
                                             "a request is one line of at most 1 MiB", NULL));
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    input_ended(connection);
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct connection *connection = handle->data;
    size_t room = WIRE_REQUEST_MAX - connection->in.len;

    if (room > suggested)
        room = suggested;
    *ret = uv_buf_init(buf_room(&connection->in, room), (unsigned)room);
    if (!ret->base)
        ret->len = 0;
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;

    (void)buf;
    if (n == UV_EOF) {
        (void)uv_read_stop(stream);
        input_ended(connection);
    } else if (n < 0) {
        connection_close(connection);
    } else {
        buf_grew(&connection->in, (size_t)n);
        take_lines(connection);
    }
}

static void connected(uv_stream_t *listener, int status)
{
    struct control *control = listener->data;
    struct connection *connection;

    if (status < 0)
        return;
    connection = calloc(1, sizeof *connection);
    if (!connection)
        return;
    buf_init(&connection->in, WIRE_REQUEST_MAX);
    connection->control = control;
    connection->pipe.data = connection;
    (void)uv_pipe_init(listener->loop, &connection->pipe, 0);
    connection->next = control->connections;
    control->connections = connection;
    control->count++;
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) < 0) {
        connection_close(connection);
    } else if (control->count > CONNECTIONS_MAX) {
        connection->read_all = true;
        connection_send(connection,
                        wire_failure(NULL, WIRE_FAILED, "too many clients; try again later", NULL));
    } else {
        (void)uv_read_start((uv_stream_t *)&connection->pipe, give_room, received);
    }
}

int control_open(struct control *control, struct fleet *fleet, int fd)
{
    int r;

    *control = (struct control){ .fleet = fleet };
    r = uv_pipe_init(fleet->loop, &control->listener, 0);
    if (r == 0)
        r = uv_pipe_open(&control->listener, fd);
    if (r < 0)
        return r;
    control->listener.data = control;
    fleet->control = control;
    return uv_listen((uv_stream_t *)&control->listener, SOMAXCONN, connected);
}

void control_close(struct control *control)
{
    while (control->connections)
        connection_close(control->connections);
    uv_close((uv_handle_t *)&control->listener, NULL);
}
