/*
 * kill -9 at every system call that moves lines from a pipe to a log, rotation included: whoever
 * goes on afterwards finds each line once, whole and in order.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_rotate.h"
#include "own.h"
#include "stream.h"

enum { LINES = 60, BINARY_LINE = 31, LINE_MAX_HERE = 300, KEEP = 5 };

struct form {
    const char *name;
    struct log_style style;
    bool both;
    int64_t max_size; /* two rotations or three */
    bool binary;      /* one line has bytes of all values */
};

static const struct form forms[] = {
    { "raw", { .app = "w" }, false, 200, false },
    { "dated", { .app = "w", .date_format = "[t]" }, false, 250, false },
    { "dated bytes", { .app = "w", .date_format = "[t]" }, false, 350, true },
    { "json to both",
      { .app = "w", .type = LOG_TYPE_JSON, .date_format = "[t]" },
      true,
      2000,
      false },
};

static char folder[] = "/tmp/stream-kills-XXXXXX";

static void settings(const struct stream *stream, struct stream_settings *ret)
{
    const struct form *form = stream->owner;

    *ret = (struct stream_settings){
        .limits = { .max_size = form->max_size, .keep = KEEP, .stall_ms = 60000 },
        .style = form->style,
    };
}

static void moved(struct stream *stream, const char *bytes, size_t n)
{
    (void)stream;
    (void)bytes;
    (void)n;
}

static const struct stream_kind kind = { .settings = settings, .moved = moved };

/* What opsd does with a stream: takes it over, moves what is there, and lets go of it. */
static void serve(const struct form *form, int pipe_fd)
{
    OWN(close) int home = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stream stream = { .fd = -1, .kind = &kind, .owner = (void *)form };
    char log[64], both[64];
    struct stream_paths paths = { .log = log, .both = form->both ? both : NULL, .name = "w-0.out" };
    struct pump pump;
    struct err why;
    uv_loop_t loop;

    (void)snprintf(log, sizeof log, "%s/logs/out", folder);
    (void)snprintf(both, sizeof both, "%s/logs/both", folder);
    if (uv_loop_init(&loop) < 0 || pump_init(&pump, &loop, home) < 0 ||
        stream_open(&stream, &pump, dup(pipe_fd), &paths, &why) < 0)
        _exit(1);
    while (stream_pending(&stream) || stream.left)
        (void)uv_run(&loop, UV_RUN_ONCE);
    stream_close(&stream, true);
    pump_close(&pump);
    while (uv_run(&loop, UV_RUN_NOWAIT))
        continue;
    (void)uv_loop_close(&loop);
}

/* Kills the child before or behind its n-th system call. Returns false when it ended before that.
 */
static bool serve_until(const struct form *form, int pipe_fd, int n)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        (void)raise(SIGSTOP);
        serve(form, pipe_fd);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    while (n-- > 0 && !WIFEXITED(status)) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    if (WIFEXITED(status)) {
        assert_int_equal(WEXITSTATUS(status), 0);
        return false;
    }
    (void)kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return true;
}

static size_t read_file(const char *path, char *to, size_t room)
{
    OWN(close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, to, room);

    return n > 0 ? (size_t)n : 0;
}

/* The log and what was rotated away from it, which is removed. */
static size_t take_log(const char *name, char *to, size_t room)
{
    char path[64];
    size_t n = 0;

    (void)snprintf(path, sizeof path, "%s/logs/%s", folder, name);
    for (int number = KEEP; number >= 0; number--) {
        OWN(free) char *part = log_rotate_name(path, number, false);

        n += read_file(part, to + n, room - n);
        (void)unlink(part);
    }
    return n;
}

/* The i-th line, without its newline. Returns its length. */
static size_t put_line(const struct form *form, int i, char to[static LINE_MAX_HERE])
{
    size_t n = 0;

    if (!form->binary || i != BINARY_LINE)
        return (size_t)snprintf(to, LINE_MAX_HERE, "line %d", i);
    for (int c = 0; c < 256; c++)
        if (c != '\n')
            to[n++] = (char)c;
    return n;
}

static void check(const struct form *form, const char *name, int killed_at)
{
    static char text[LINES * 100], want[LINES * 100];
    size_t n = take_log(name, text, sizeof text), at = 0;
    bool json = form->style.type == LOG_TYPE_JSON;

    for (int i = 0; i < LINES; i++) {
        at += (size_t)snprintf(want + at, sizeof want - at, "%s",
                               json ? "{\"timestamp\":\"t\",\"type\":\"out\",\"process_id\":0,"
                                      "\"app_name\":\"w\",\"message\":\""
                               : form->style.date_format ? "t: "
                                                         : "");
        at += put_line(form, i, want + at);
        at += (size_t)snprintf(want + at, sizeof want - at, "%s", json ? "\"}\n" : "\n");
    }
    if (n != at || memcmp(text, want, n) != 0)
        fail_msg("%s, %s, killed at %d: %zu bytes instead of %zu", form->name, name, killed_at, n,
                 at);
}

static void fill(const struct form *form, int pipe_fd)
{
    static char text[LINES * 16 + LINE_MAX_HERE];
    size_t n = 0;

    for (int i = 0; i < LINES; i++) {
        n += put_line(form, i, text + n);
        text[n++] = '\n';
    }
    assert_int_equal(write(pipe_fd, text, n), n);
}

static void nothing_is_lost_or_doubled(void **state)
{
    (void)state;
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        bool killed = true;
        int n;

        for (n = 1; killed; n += 2) {
            struct err why;
            OWN(close) int pipe_fd = stream_make_pipe(getuid(), &why);

            fill(&forms[f], pipe_fd);
            killed = serve_until(&forms[f], pipe_fd, n);
            serve(&forms[f], pipe_fd);
            check(&forms[f], "out", n);
            if (forms[f].both)
                check(&forms[f], "both", n);
        }
        /* It was not over before anything was written. */
        assert_true(n > 100);
    }
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int end(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(nothing_is_lost_or_doubled) };

    return cmocka_run_group_tests(tests, begin, end);
}
