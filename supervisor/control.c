/* The control socket: connections, their lines in and out, and who may ask. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "heap.h"
#include "methods.h"
#include "socket_group.h"

struct outgoing {
    uv_write_t write;
    char *bytes;
};

static void connection_close(struct connection *connection);
static void flush(struct connection *connection);
static bool is_over(const struct connection *connection);
static void take_lines(struct connection *connection);

/* --- out */

static void written(uv_write_t *write, int status)
{
    struct connection *connection = write->handle->data;
    struct outgoing *outgoing = write->data;
    struct attachment *a, *next;

    free(outgoing->bytes);
    free(outgoing);
    connection->writing = false;
    if (status < 0)
        connection_close(connection);
    else
        flush(connection);
    if (connection->closing || connection_backlog(connection) >= CONNECTION_STREAM_QUEUE)
        return;
    take_lines(connection);
    for (a = connection->attachments; a && !connection->closing; a = next) {
        next = a->next;
        if (a->resume)
            a->resume(a);
    }
    if (!connection->closing && is_over(connection))
        connection_close(connection);
}

size_t connection_backlog(const struct connection *connection)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&connection->pipe) +
           connection->out.len;
}

/* One write at a time: what comes meanwhile goes together with the next. */
static void flush(struct connection *connection)
{
    struct outgoing *outgoing;
    uv_buf_t buf;

    if (connection->writing || !connection->out.len)
        return;
    outgoing = calloc(1, sizeof *outgoing);
    if (!outgoing) {
        connection_close(connection);
        return;
    }
    buf = uv_buf_init(connection->out.p, (unsigned)connection->out.len);
    outgoing->bytes = buf_take(&connection->out);
    outgoing->write.data = outgoing;
    connection->writing = true;
    if (uv_write(&outgoing->write, (uv_stream_t *)&connection->pipe, &buf, 1, written) < 0) {
        free(outgoing->bytes);
        free(outgoing);
        connection_close(connection);
    }
}

/* Takes a line made by wire.h; NULL: there was no memory for it. */
static void send_line(struct connection *connection, char *line)
{
    if (!line || connection_backlog(connection) + strlen(line) > CONNECTION_QUEUE_MAX ||
        buf_add_text(&connection->out, line) < 0)
        connection_close(connection);
    else if (!connection->closing)
        flush(connection);
    free(line);
}

void connection_result(struct connection *connection, const cJSON *id, cJSON *result)
{
    if (id)
        send_line(connection, wire_result(id, result));
    else
        cJSON_Delete(result);
}

void connection_fail(struct connection *connection, const cJSON *id, int code, const char *message,
                     cJSON *data)
{
    if (id)
        send_line(connection, wire_failure(id, code, message, data));
    else
        cJSON_Delete(data);
}

void connection_notify(struct connection *connection, const char *method, cJSON *params)
{
    send_line(connection, wire_notification(method, params));
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

bool connection_has_room(const struct connection *connection)
{
    int n = 0;

    for (const struct attachment *a = connection->attachments; a; a = a->next)
        n++;
    return n < ATTACHMENTS_MAX;
}

/* A client that sends no more and has heard all is done. */
static bool is_over(const struct connection *connection)
{
    return connection->read_all && !connection->attachments && !connection_backlog(connection);
}

void connection_detach(struct connection *connection, struct attachment *attachment)
{
    if (connection->closing)
        return;
    untie(connection, attachment);
    if (is_over(connection))
        connection_close(connection);
}

/* --- life */

static void closed(uv_handle_t *handle)
{
    struct connection *connection = handle->data;

    buf_done(&connection->in);
    buf_done(&connection->out);
    if (connection->control->spare || connection->control->closing)
        free(connection);
    else
        connection->control->spare = connection;
    heap_trim();
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

static bool has_hung_up(const struct connection *connection)
{
    struct pollfd p = { .events = POLLOUT };

    return uv_fileno((const uv_handle_t *)&connection->pipe, &p.fd) < 0 || poll(&p, 1, 0) < 0 ||
           (p.revents & (POLLHUP | POLLERR));
}

/* Nothing tells that a client hangs up after it has closed its sending side, so it is looked for.
 */
static void look_for_hangups(uv_timer_t *timer)
{
    struct control *control = timer->data;
    struct connection *c, *next;
    bool any = false;

    for (c = control->connections; c; c = next) {
        next = c->next;
        if (c->read_all && has_hung_up(c))
            connection_close(c);
        else
            any |= c->read_all;
    }
    if (!any)
        (void)uv_timer_stop(timer);
}

/* The client has closed its side. One that only will not send more (`nc -N`) still hears the
 * answers; one that is gone is closed. */
static void input_ended(struct connection *connection)
{
    connection->read_all = true;
    (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    if (is_over(connection) || has_hung_up(connection))
        connection_close(connection);
    else
        (void)uv_timer_start(&connection->control->hangups, look_for_hangups, HANGUP_CHECK_MS,
                             HANGUP_CHECK_MS);
}

/* --- in */

static bool is_permitted(const struct connection *connection)
{
    int fd;

    return uv_fileno((const uv_handle_t *)&connection->pipe, &fd) == 0 &&
           socket_group_admits(connection->control->fleet->home, fd);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

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
        send_line(connection, wire_failure(request.id, code, why, NULL));
    else
        methods_call(connection, &request, is_permitted(connection));
    wire_request_done(&request);
}

/* The next line of the input, or NULL when it is not whole yet. */
static char *find_newline(const struct connection *connection, size_t from)
{
    size_t n = connection->in.len - from;

    return n ? memchr(connection->in.p + from, '\n', n) : NULL;
}

static void refuse_long_line(struct connection *connection)
{
    buf_clear(&connection->in);
    send_line(connection,
              wire_failure(NULL, WIRE_INVALID, "a request is one line of at most 1 MiB", NULL));
    if (!connection->closing)
        input_ended(connection);
}

static void take_lines(struct connection *connection)
{
    size_t n, taken = 0;
    bool full = false;
    char *newline;

    while (!connection->closing && !full && (newline = find_newline(connection, taken))) {
        n = (size_t)(newline - connection->in.p) - taken;
        take_line(connection, connection->in.p + taken, n);
        taken += n + 1;
        full = connection_backlog(connection) >= CONNECTION_ANSWERS_QUEUE;
    }
    buf_shift(&connection->in, taken);
    if (connection->closing)
        return;
    if (full)
        (void)uv_read_stop((uv_stream_t *)&connection->pipe);
    else if (connection->in.len >= WIRE_REQUEST_MAX)
        refuse_long_line(connection);
    else if (!connection->read_all)
        (void)uv_read_start((uv_stream_t *)&connection->pipe, give_room, received);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct connection *connection = stream->data;

    (void)buf;
    if (n == UV_EOF) {
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
    struct connection *connection = control->spare;

    if (status < 0 || !connection)
        return;
    control->spare = calloc(1, sizeof *control->spare);
    *connection = (struct connection){ .control = control, .next = control->connections };
    buf_init(&connection->in, WIRE_REQUEST_MAX);
    buf_init(&connection->out, CONNECTION_QUEUE_MAX);
    connection->pipe.data = connection;
    (void)uv_pipe_init(listener->loop, &connection->pipe, 0);
    control->connections = connection;
    control->count++;
    if (uv_accept(listener, (uv_stream_t *)&connection->pipe) < 0 || !control->spare) {
        connection_close(connection);
    } else if (control->count > CONNECTIONS_MAX) {
        connection->read_all = true;
        send_line(connection,
                  wire_failure(NULL, WIRE_FAILED, "too many clients; try again later", NULL));
    } else {
        (void)uv_read_start((uv_stream_t *)&connection->pipe, give_room, received);
    }
}

static void listener_closed(uv_handle_t *handle)
{
    free(handle);
}

int control_listen(struct control *control, int fd)
{
    uv_pipe_t *listener = calloc(1, sizeof *listener);
    int r;

    r = listener ? uv_pipe_init(control->fleet->loop, listener, 0) : -ENOMEM;
    if (r < 0) {
        free(listener);
        return r;
    }
    listener->data = control;
    r = uv_pipe_open(listener, fd);
    if (r == 0)
        r = uv_listen((uv_stream_t *)listener, SOMAXCONN, connected);
    if (r < 0) {
        uv_close((uv_handle_t *)listener, listener_closed);
        return r;
    }
    if (control->listener)
        uv_close((uv_handle_t *)control->listener, listener_closed);
    control->listener = listener;
    return 0;
}

static void add_poll(struct pollfd *polls, nfds_t *n, const uv_pipe_t *pipe)
{
    polls[*n].events = POLLIN;
    *n += uv_fileno((const uv_handle_t *)pipe, &polls[*n].fd) == 0;
}

/* For the fleet: a client is at the door, or one has sent something. */
static bool is_asked(const struct fleet *fleet)
{
    const struct control *control = fleet->control;
    struct pollfd polls[1 + CONNECTIONS_MAX];
    nfds_t n = 0;

    if (control->listener)
        add_poll(polls, &n, control->listener);
    for (const struct connection *c = control->connections; c; c = c->next)
        if (!c->read_all)
            add_poll(polls, &n, &c->pipe);
    return poll(polls, n, 0) > 0;
}

int control_open(struct control *control, struct fleet *fleet, int fd)
{
    *control = (struct control){ .fleet = fleet, .spare = calloc(1, sizeof *control->spare) };
    if (!control->spare)
        return -ENOMEM;
    (void)uv_timer_init(fleet->loop, &control->hangups);
    control->hangups.data = control;
    fleet->control = control;
    fleet->asked = is_asked;
    return control_listen(control, fd);
}

void control_close(struct control *control)
{
    control->closing = true;
    while (control->connections)
        connection_close(control->connections);
    if (control->listener)
        uv_close((uv_handle_t *)control->listener, listener_closed);
    uv_close((uv_handle_t *)&control->hangups, NULL);
    free(control->spare);
    control->spare = NULL;
}
