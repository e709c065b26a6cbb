/*
 * One connection to opsd. The only file of opsctl that waits; so the limits on waiting, and what
 * happens when opsd is silent, cut off or talks nonsense, are here and nowhere else.
 */
#include "opsctl_client.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "instant.h"
#include "json.h"
#include "own.h"
#include "wire.h"

enum { READ_BYTES = 64 << 10 };

void message_done(struct message *message)
{
    cJSON_Delete(message->json);
    *message = (struct message){ 0 };
}

int client_connect(struct client *client, const struct home *home)
{
    int fd = home_connect(home);

    if (fd < 0)
        return fd;
    *client = (struct client){ .fd = fd };
    buf_init(&client->in, CLIENT_LINE_MAX);
    return 0;
}

void client_done(struct client *client)
{
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    buf_done(&client->in);
}

/* Milliseconds until deadline (0: none) as ppoll(2) wants them; NULL for no limit. */
static struct timespec *time_left(uint64_t deadline, struct timespec *left)
{
    uint64_t now = monotonic_now_ms();
    uint64_t ms = deadline > now ? deadline - now : 0;

    if (!deadline)
        return NULL;
    *left = (struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
    return left;
}

static uint64_t deadline_after(int64_t timeout_ms)
{
    return timeout_ms ? monotonic_now_ms() + (uint64_t)timeout_ms : 0;
}

/* Returns 0 when fd is ready, -ETIMEDOUT, -EINTR, or -EPIPE. */
static int wait_ready(const struct client *client, short events, uint64_t deadline)
{
    struct pollfd fds[] = {
        { .fd = client->fd, .events = events },
        /* Without events a pipe tells only that its reader went away. */
        { .fd = client->watch_output ? STDOUT_FILENO : -1 },
    };
    struct timespec left;
    sigset_t none;
    int n;

    (void)sigemptyset(&none);
    n = ppoll(fds, 2, time_left(deadline, &left), &none);
    if (n < 0)
        return -errno;
    if (n == 0)
        return -ETIMEDOUT;
    return fds[0].revents || !fds[1].revents ? 0 : -EPIPE;
}

static int send_all(struct client *client, const char *text, size_t n)
{
    uint64_t deadline = deadline_after(CLIENT_SEND_TIMEOUT_MS);
    ssize_t sent;
    int r;

    while (n) {
        sent = send(client->fd, text, n, MSG_NOSIGNAL);
        if (sent < 0 && (errno == EPIPE || errno == ECONNRESET))
            return 0;
        if (sent < 0 && errno != EAGAIN && errno != EINTR)
            return -errno;
        if (sent < 0) {
            r = wait_ready(client, POLLOUT, deadline);
            if (r < 0 && r != -EINTR)
                return r;
            continue;
        }
        text += sent;
        n -= (size_t)sent;
    }
    return 0;
}

int client_send(struct client *client, const char *method, cJSON *params, int64_t *ret_id)
{
    OWN(json) cJSON *owned = params;
    OWN(json) cJSON *request = cJSON_CreateObject();
    OWN(free) char *text = NULL;
    int64_t id = client->last_id + 1;
    size_t n;
    int r;

    if (!request || !json_put_text(request, "jsonrpc", "2.0") || !json_put_int(request, "id", id) ||
        !json_put_text(request, "method", method) || !json_put(request, "params", TAKE(owned)))
        return -ENOMEM;
    text = cJSON_PrintUnformatted(request);
    if (!text)
        return -ENOMEM;
    n = strlen(text);
    if (n >= WIRE_REQUEST_MAX)
        return -EINVAL;
    /* In one piece, the newline in place of the final NUL: opsd is to wake up once. */
    text[n] = '\n';
    r = send_all(client, text, n + 1);
    if (r < 0)
        return r;
    client->last_id = id;
    *ret_id = id;
    return 0;
}

bool client_has_next(struct client *client)
{
    const struct buf *in = &client->in;
    const char *newline = NULL;

    if (in->len > client->scanned)
        newline = memchr(in->p + client->scanned, '\n', in->len - client->scanned);
    client->scanned = newline ? (size_t)(newline - in->p) : in->len;
    return newline;
}

/* The line at start, without its newline; call when client_has_next. */
static char *line_take(struct client *client, size_t *ret_n)
{
    char *line = client->in.p + client->start;

    *ret_n = client->scanned - client->start;
    line[*ret_n] = '\0';
    client->start = ++client->scanned;
    return line;
}

/* Lines that were handed out leave the buffer all at once, not one by one: moving the rest for
 * each line would make reading quadratic. */
static int receive(struct client *client, struct err *reterr)
{
    char *room;
    ssize_t n;

    buf_shift(&client->in, client->start);
    client->scanned -= client->start;
    client->start = 0;
    if (client->in.len >= CLIENT_LINE_MAX - READ_BYTES)
        return err_set(reterr, -EMSGSIZE, "opsd sent a line longer than %d MB",
                       CLIENT_LINE_MAX >> 20);
    room = buf_room(&client->in, READ_BYTES);
    if (!room)
        return err_set(reterr, -ENOMEM, "out of memory");
    n = recv(client->fd, room, READ_BYTES, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return err_set(reterr, -errno, "reading from opsd: %s", strerror(errno));
    if (n <= 0)
        return err_set(reterr, -ECONNRESET, "opsd closed the connection %s",
                       client->in.len ? "in the middle of an answer" : "without an answer");
    buf_grew(&client->in, (size_t)n);
    return 0;
}

static bool is_answer(const struct message *m)
{
    bool refused = m->error && cJSON_IsNumber(json_get(m->error, "code")) &&
                   json_get_text(m->error, "message");

    return refused ? !m->result && m->id >= 0 : m->result && !m->error && m->id > 0;
}

static int message_parse(const char *line, size_t n, struct message *ret, struct err *reterr)
{
    OWN_MESSAGE struct message m = { 0 };
    struct err why;
    int r;

    r = json_parse(line, n, &m.json, &why);
    if (r == -ENOMEM)
        return err_set(reterr, r, "out of memory");
    if (r < 0)
        return err_set(reterr, -EPROTO, "opsd sent a line that is no message: %s", why.text);
    m.method = json_get_text(m.json, "method");
    m.params = json_get(m.json, "params");
    m.result = json_get(m.json, "result");
    m.error = json_get(m.json, "error");
    if (json_get_id(m.json, "id", &m.id) < 0)
        m.id = 0;
    if (m.method ? !cJSON_IsObject(m.params) : !is_answer(&m))
        return err_set(reterr, -EPROTO, "opsd sent a line that is neither answer nor notification");
    *ret = m;
    m.json = NULL;
    return 0;
}

int client_next(struct client *client, int64_t timeout_ms, struct message *ret, struct err *reterr)
{
    uint64_t deadline = deadline_after(timeout_ms);
    const char *line;
    size_t n;
    int r;

    while (!client_has_next(client)) {
        r = wait_ready(client, POLLIN, deadline);
        if (r == -ETIMEDOUT)
            return err_set(reterr, r, "opsd did not answer within %g s", (double)timeout_ms / 1000);
        if (r < 0)
            return err_set(reterr, r, "waiting for opsd: %s", strerror(-r));
        r = receive(client, reterr);
        if (r < 0)
            return r;
    }
    line = line_take(client, &n);
    return message_parse(line, n, ret, reterr);
}
