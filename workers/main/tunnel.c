/* The worker's side of a tunnel: starting it, finding the address in what it prints, ending it. */
#include "tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "file.h"
#include "own.h"
#include "text.h"

enum { WORDS_MAX = 64, WORD_BYTES_MAX = 4096, PROC_BYTES_MAX = 64 << 10 };

static const char SPACE[] = " \t\n";

/* --- the command --- */

/* The words of command, one after the other in text, {port} replaced; argv ends with NULL. */
struct words {
    struct buf text;
    char *argv[WORDS_MAX + 1];
};

static void words_done(struct words *words)
{
    buf_done(&words->text);
}

static int add_word(struct buf *to, const char *word, size_t n, const char *port)
{
    static const char hole[] = "{port}";
    int r = 0;

    for (size_t i = 0; r == 0 && i < n;) {
        if (n - i >= sizeof hole - 1 && strncmp(word + i, hole, sizeof hole - 1) == 0) {
            r = buf_add_text(to, port);
            i += sizeof hole - 1;
        } else {
            r = buf_add(to, word + i++, 1);
        }
    }
    return r < 0 ? r : buf_add(to, "", 1);
}

static int split(const char *command, const char *port, struct words *words, struct err *reterr)
{
    size_t count = 0, n;
    char *at;
    int r = 0;

    buf_init(&words->text, WORD_BYTES_MAX);
    for (; r == 0 && *(command += strspn(command, SPACE)); command += n, count++) {
        n = strcspn(command, SPACE);
        r = add_word(&words->text, command, n, port);
    }
    if (r < 0 || count == 0 || count > WORDS_MAX)
        return err_set(reterr, -EBADMSG,
                       "WEBHOOK_TUNNEL_COMMAND: want a program and its arguments");
    at = words->text.p;
    for (size_t i = 0; i < count; i++, at += strlen(at) + 1)
        words->argv[i] = at;
    words->argv[count] = NULL;
    return 0;
}

/* --- starting --- */

int tunnel_start(struct tunnel *tunnel, const char *command, const char *port, struct err *reterr)
{
    __attribute__((cleanup(words_done))) struct words words = { 0 };
    int output[2] = { -1, -1 }, hold[2] = { -1, -1 };
    int r = split(command, port, &words, reterr);

    if (r < 0)
        return r;
    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) < 0 || pipe2(hold, O_CLOEXEC) < 0) {
        r = err_set(reterr, -errno, "no pipe for the tunnel: %s", strerror(errno));
        (void)close(output[0]);
        (void)close(output[1]);
        return r;
    }
    *tunnel = (struct tunnel){ .output_fd = output[0], .hold_fd = hold[1] };
    tunnel->minder = fork();
    if (tunnel->minder == 0) {
        (void)close(hold[1]);
        tunnel_mind(words.argv, output[1], hold[0]);
    }
    (void)close(output[1]);
    (void)close(hold[0]);
    if (tunnel->minder > 0)
        return 0;
    r = err_set(reterr, -errno, "no process for the tunnel: %s", strerror(errno));
    tunnel->minder = 0;
    tunnel_end(tunnel);
    return r;
}

void tunnel_end(struct tunnel *tunnel)
{
    if (tunnel->hold_fd > 0)
        (void)close(tunnel->hold_fd);
    /* Within the time that the minder gives the program, and a little more for a busy machine. */
    if (tunnel->minder > 0)
        (void)waitpid(tunnel->minder, NULL, 0);
    if (tunnel->output_fd > 0)
        (void)close(tunnel->output_fd);
    *tunnel = (struct tunnel){ .output_fd = -1, .hold_fd = -1 };
}

/* --- what it prints --- */

/* Removes what colours a line, and the rest of a terminal's language. */
static void make_plain(char *line)
{
    char *to = line;

    for (const char *at = line; *at;) {
        if (at[0] == '\x1b' && at[1] == '[') {
            /* ECMA-48, 5.4: parameters, then one byte from @ to ~ ends it. */
            at += 2;
            at += strspn(at, "0123456789:;<=>? !\"#$%&'()*+,-./");
            at += *at != '\0';
        } else if (at[0] == '\x1b' && at[1] == ']') {
            /* An operating system command, which a bell or a string terminator (ESC \) ends. */
            at += 2;
            at += strcspn(at, "\a\x1b");
            at += at[0] == '\x1b' && at[1] == '\\' ? 2 : at[0] == '\a';
        } else if ((unsigned char)*at < ' ' && *at != '\t') {
            at++;
        } else {
            *to++ = *at++;
        }
    }
    *to = '\0';
}

static void take_line(struct tunnel *tunnel, const regex_t *address)
{
    char *line = tunnel->line;
    regmatch_t match;
    int64_t pid;

    line[tunnel->line_length] = '\0';
    tunnel->line_length = 0;
    /* The minder's own word comes first. */
    if (!tunnel->pid && text_to_int(line, 1, INT32_MAX, &pid) == 0) {
        tunnel->pid = (pid_t)pid;
        return;
    }
    make_plain(line);
    if (strspn(line, SPACE) == strlen(line))
        return;
    (void)snprintf(tunnel->last, sizeof tunnel->last, "%s", line);
    if (*tunnel->url || regexec(address, line, 1, &match, 0) != 0 ||
        match.rm_eo - match.rm_so >= TUNNEL_URL_MAX)
        return;
    (void)snprintf(tunnel->url, sizeof tunnel->url, "%.*s", (int)(match.rm_eo - match.rm_so),
                   line + match.rm_so);
}

int tunnel_read(struct tunnel *tunnel, const regex_t *address)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(tunnel->output_fd, chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < n; i++) {
            if (chunk[i] == '\n' || chunk[i] == '\r')
                take_line(tunnel, address);
            else if (chunk[i] && tunnel->line_length < sizeof tunnel->line - 1)
                tunnel->line[tunnel->line_length++] = chunk[i];
        }
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    take_line(tunnel, address);
    return -EPIPE;
}

/* --- one that was left behind --- */

bool tunnel_identify(pid_t pid, char start[static TUNNEL_START_MAX])
{
    enum { START_FIELD = 22 };
    char path[64], *at;
    OWN(free) char *stat = NULL, *boot = NULL;

    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (file_read(path, PROC_BYTES_MAX, &stat, NULL) < 0 ||
        file_read("/proc/sys/kernel/random/boot_id", PROC_BYTES_MAX, &boot, NULL) < 0)
        return false;
    /* The name, field 2, may hold anything, parentheses too; fields are counted from its end. */
    at = strrchr(stat, ')');
    for (int field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    if (!at)
        return false;
    boot[strcspn(boot, "\n")] = '\0';
    (void)snprintf(start, TUNNEL_START_MAX, "%.36s %.*s", boot, (int)strcspn(at + 1, " "), at + 1);
    return true;
}

/* Compares with the words of cmdline; a script's begin with its interpreter. */
static bool runs(pid_t pid, const char *command, const char *port)
{
    __attribute__((cleanup(words_done))) struct words words = { 0 };
    OWN(free) char *line = NULL;
    char path[64];
    size_t n = 0;

    (void)snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    if (split(command, port, &words, NULL) < 0 || file_read(path, PROC_BYTES_MAX, &line, &n) < 0)
        return false;
    /* Its arguments, however it was found in PATH. */
    for (size_t i = 1; words.argv[i]; i++)
        if (!memmem(line, n, words.argv[i], strlen(words.argv[i]) + 1))
            return false;
    return n > 0;
}

bool tunnel_end_leftover(pid_t pid, const char *start, const char *command, const char *port)
{
    char now[TUNNEL_START_MAX];
    /* From here on the pid means this process and no later one. */
    OWN(close) int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd ended = { .fd = fd, .events = POLLIN };
    enum { WAIT_MS = 2000 };

    if (fd < 0 || !tunnel_identify(pid, now) || strcmp(now, start) != 0 ||
        !runs(pid, command, port))
        return false;
    (void)kill(-pid, SIGKILL);
    (void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
    (void)poll(&ended, 1, WAIT_MS);
    return true;
}
