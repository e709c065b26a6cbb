/*
 * Questions to opsd: JSON-RPC 2.0 on its socket in OPS_HOME, one object a line (the project's
 * DESIGN, and what `printf '{"jsonrpc":"2.0","id":1,"method":"ping"}\n' | nc -U` shows).
 *
 * Each question has a connection and a time limit of its own: one that hangs holds up nobody.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway.h"
#include "own.h"
#include "settings.h"
#include "worker.h"

/* More at a time means that opsd answers none of them. */
enum { QUESTIONS_MAX = 16 };

struct question {
    uv_pipe_t pipe;
    uv_timer_t limit;
    uv_write_t write;
    LIST_ENTRY(question) next;
    struct exchange *x;
    fleet_done *done; /* NULL: it was called */
    char *text;
    struct buf answer;
    int open_handles;
};

static struct {
    uv_loop_t *loop;
    LIST_HEAD(, question) questions;
    int count;
} all;

static void handle_closed(uv_handle_t *handle)
{
    struct question *question = handle->data;

    if (--question->open_handles)
        return;
    buf_done(&question->answer);
    free(question->text);
    free(question);
}

static void finish(struct question *question, const struct fleet_answer *answer)
{
    fleet_done *done = question->done;

    if (!done)
        return;
    question->done = NULL;
    LIST_REMOVE(question, next);
    all.count--;
    done(question->x, answer);
    exchange_release(question->x);
    uv_close((uv_handle_t *)&question->pipe, handle_closed);
    uv_close((uv_handle_t *)&question->limit, handle_closed);
}

static void fail(struct question *question, const char *why)
{
    finish(question, &(struct fleet_answer){ .code = -EAGAIN, .error = why });
}

static void out_of_time(uv_timer_t *timer)
{
    fail(timer->data, "opsd has not answered in time; what was asked for may still happen");
}

/* --- the answer --- */

static void take_answer(struct question *question, size_t length)
{
    OWN(json) cJSON *json = NULL;
    const cJSON *error, *code;

    question->answer.p[length] = '\0';
    if (json_parse(question->answer.p, length, &json, NULL) < 0) {
        fail(question, "opsd's answer is not JSON");
        return;
    }
    error = json_get(json, "error");
    code = json_get(error, "code");
    finish(question, &(struct fleet_answer){
                         .code = !error                 ? 0
                                 : cJSON_IsNumber(code) ? (int)code->valuedouble
                                                        : -EIO,
                         .result = json_get(json, "result"),
                         .error = json_get_text(error, "message"),
                     });
}

static void room(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    struct question *question = handle->data;
    char *at = buf_room(&question->answer, suggested);

    *ret = uv_buf_init(at, at ? (unsigned)suggested : 0);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *unused)
{
    struct question *question = stream->data;
    const char *end;

    (void)unused;
    if (n == UV_ENOBUFS)
        fail(question, "opsd's answer is too large");
    else if (n < 0)
        fail(question, "opsd closed the connection");
    if (n <= 0)
        return;
    buf_grew(&question->answer, (size_t)n);
    end = memchr(question->answer.p, '\n', question->answer.len);
    if (end)
        take_answer(question, (size_t)(end - question->answer.p));
}

static void sent(uv_write_t *write, int status)
{
    struct question *question = write->handle->data;

    if (status < 0 && status != UV_ECANCELED)
        fail(question, "opsd does not take the question");
}

/* --- the question --- */

/* The folder may be of any length; the name in it is short. */
static int connect_to_opsd(struct err *reterr)
{
    const char *home = setting_text("OPS_HOME");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    OWN(close) int folder = -1, fd = -1;

    if (!*home)
        return err_set(reterr, -ENOENT, "OPS_HOME is not set: opsd sets it for what it starts");
    folder = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    (void)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/opsd.sock", folder);
    if (folder < 0 || fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return err_set(reterr, -errno, "opsd cannot be reached in OPS_HOME: %s; is it running?",
                       strerror(errno));
    return take_fd(&fd);
}

static char *question_text(const char *method, cJSON *params)
{
    OWN(json) cJSON *json = cJSON_CreateObject();

    if (!json_put_text(json, "jsonrpc", "2.0") || !json_put_int(json, "id", 1) ||
        !json_put_text(json, "method", method)) {
        cJSON_Delete(params);
        return NULL;
    }
    return json_put(json, "params", params) ? cJSON_PrintUnformatted(json) : NULL;
}

static void send_question(struct question *question, int fd, uint64_t patience_ms)
{
    const uv_buf_t lines[] = { uv_buf_init(question->text, (unsigned)strlen(question->text)),
                               uv_buf_init((char[]){ '\n' }, 1) };

    (void)uv_timer_start(&question->limit, out_of_time, patience_ms, 0);
    if (uv_pipe_open(&question->pipe, fd) < 0) {
        (void)close(fd);
        fail(question, "the connection to opsd cannot be used");
        return;
    }
    if (uv_read_start((uv_stream_t *)&question->pipe, room, received) < 0 ||
        uv_write(&question->write, (uv_stream_t *)&question->pipe, lines, 2, sent) < 0)
        fail(question, "opsd does not take the question");
}

void fleet_ask(struct exchange *x, const char *method, cJSON *params, uint64_t patience_ms,
               fleet_done *done)
{
    OWN(free) char *text = question_text(method, params);
    struct err why = { "out of memory" };
    struct question *question = NULL;
    int fd = -1;

    if (all.count >= QUESTIONS_MAX)
        (void)err_set(&why, -EBUSY, "too many questions to opsd are under way; try again later");
    else if (text)
        fd = connect_to_opsd(&why);
    if (fd >= 0)
        question = calloc(1, sizeof *question);
    if (!question) {
        if (fd >= 0)
            (void)close(fd);
        done(x, &(struct fleet_answer){ .code = -EAGAIN, .error = why.text });
        return;
    }
    exchange_hold(x);
    question->x = x;
    question->done = done;
    question->text = TAKE(text);
    buf_init(&question->answer, ANSWER_BYTES_MAX);
    (void)uv_pipe_init(all.loop, &question->pipe, 0);
    (void)uv_timer_init(all.loop, &question->limit);
    question->pipe.data = question->limit.data = question;
    question->open_handles = 2;
    LIST_INSERT_HEAD(&all.questions, question, next);
    all.count++;
    send_question(question, fd, patience_ms);
}

void fleet_open(uv_loop_t *loop)
{
    all.loop = loop;
    LIST_INIT(&all.questions);
}

void fleet_close(void)
{
    while (!LIST_EMPTY(&all.questions))
        fail(LIST_FIRST(&all.questions), "the gateway is stopping");
}
