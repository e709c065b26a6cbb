/*
 * `opsctl stat -w`: the table anew every second, until q or a signal. On a terminal it has the
 * screen for itself and gives it back as it was, whatever ends or suspends it; elsewhere one table,
 * or one document, follows the other.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "json.h"
#include "opsctl_stat.h"
#include "own.h"
#include "terminal_signals.h"

enum { EVERY_S = 1, ROWS_DEFAULT = 24 };

/* xterm's other screen and no cursor; and back. Terminals without them ignore both. */
static const char SCREEN_TAKE[] = "\x1b[?1049h\x1b[?25l", SCREEN_GIVE[] = "\x1b[?25h\x1b[?1049l";

static volatile sig_atomic_t ended, suspended, resumed;
static bool screen_is_ours, keys_are_ours;
static struct termios usual;

static bool is_in_front(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Keys come one by one and leave no trace. Only the job in front may have them: another one is
 * stopped for it (SIGTTOU). */
static void take_keys(void)
{
    struct termios ours;

    if (tcgetattr(STDIN_FILENO, &usual) < 0)
        return;
    ours = usual;
    ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    keys_are_ours = tcsetattr(STDIN_FILENO, TCSADRAIN, &ours) == 0;
}

static void give_keys(void)
{
    if (keys_are_ours)
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &usual);
    keys_are_ours = false;
}

static void take_screen(void)
{
    screen_is_ours = true;
    (void)fputs(SCREEN_TAKE, stdout);
}

/* Before anything that is to be read afterwards. */
static void give_screen(void)
{
    if (screen_is_ours)
        (void)fputs(SCREEN_GIVE, stdout);
    screen_is_ours = false;
    (void)fflush(stdout);
    give_keys();
}

static void end(int number)
{
    (void)number;
    ended = 1;
}

static void suspend(int number)
{
    (void)number;
    suspended = 1;
}

static void resume(int number)
{
    (void)number;
    resumed = 1;
}

/* A size that changed only has to end the wait. */
static void look_again(int number)
{
    (void)number;
}

/* All of them come only while something is waited for, so none is missed. */
static void catch_signals(void)
{
    terminal_catch(SIGINT, end);
    terminal_catch(SIGTERM, end);
    terminal_catch(SIGHUP, end);
    terminal_catch(SIGWINCH, look_again);
}

static void begin_on_screen(void)
{
    terminal_catch_stop(suspend);
    terminal_catch(SIGCONT, resume);
    if (is_in_front())
        take_keys();
    take_screen();
}

/* Ctrl-Z: stops here, with the terminal as it was, until somebody says `fg`. */
static void stop_for_now(void)
{
    give_screen();
    suspended = 0;
    terminal_stop(suspend);
    resumed = 1;
}

/* Also after a SIGSTOP, of which nobody is told before: shells have set their own modes meanwhile.
 * Whom `bg` put into the background stops at the keys once more. */
static void come_back(void)
{
    resumed = 0;
    keys_are_ours = false;
    take_keys();
    take_screen();
}

/* Whether q is among the keys that were pressed, or nobody can press any more. */
static bool is_left(void)
{
    char keys[64];
    ssize_t n = read(STDIN_FILENO, keys, sizeof keys);

    return n <= 0 || memchr(keys, 'q', (size_t)n);
}

/* A reader of standard output that goes away ends it, too. */
static void sleep_a_while(void)
{
    struct pollfd fds[] = { { .fd = STDOUT_FILENO },
                            { .fd = keys_are_ours ? STDIN_FILENO : -1, .events = POLLIN } };
    struct timespec second = { .tv_sec = EVERY_S };
    sigset_t none;

    (void)sigemptyset(&none);
    if (ppoll(fds, 2, &second, &none) > 0 && (fds[0].revents || is_left()))
        ended = 1;
}

/* --- asking */

/* Waits for the answer, whatever the size of the terminal does. Returns 0 with *ret, or the error
 * of client_next; -EINTR when it is time to leave. */
static int await_answer(struct session *s, struct message *ret, struct err *reterr)
{
    int r;

    do {
        message_done(ret);
        r = client_next(&s->client, session_timeout_ms(s), ret, reterr);
    } while ((r == -EINTR && !ended) || (r == 0 && ret->method));
    return r;
}

/* Returns EXIT_DONE with *ret NULL when opsd was lost meanwhile, or the exit code to leave with. */
static int ask(struct session *s, cJSON **ret)
{
    OWN_MESSAGE struct message m = { 0 };
    struct err err = { "asking opsd failed" };
    int64_t id;
    int r;

    *ret = NULL;
    if (s->client.fd < 0)
        return EXIT_DONE;
    r = client_send(&s->client, "workers_stat", stat_params(s), &id);
    if (r == 0)
        r = await_answer(s, &m, &err);
    if (r == -ECONNRESET || r == -EINTR)
        return EXIT_DONE;
    if (r < 0 || m.error)
        give_screen();
    if (r < 0)
        return complain(EXIT_FAILED, "%s", err.text);
    if (m.error)
        return session_refused(m.error);
    *ret = cJSON_DetachItemFromObjectCaseSensitive(m.json, "result");
    return EXIT_DONE;
}

/* --- showing */

static size_t screen_rows(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row ? size.ws_row : ROWS_DEFAULT;
}

/* As many lines as the screen has; each clears what stood behind it. */
static void draw(const char *text)
{
    size_t rows = screen_rows();
    const char *end_of_line;

    (void)fputs("\x1b[H", stdout);
    for (size_t row = 0; row < rows && *text; row++) {
        end_of_line = strchrnul(text, '\n');
        (void)printf("%s%.*s\x1b[K", row ? "\r\n" : "", (int)(end_of_line - text), text);
        text = *end_of_line ? end_of_line + 1 : end_of_line;
    }
    (void)fputs("\x1b[J", stdout);
    (void)fflush(stdout);
}

static int show(const struct terminal *terminal, const cJSON *workers)
{
    OWN(free) char *text = NULL;
    size_t n;
    FILE *to = open_memstream(&text, &n);
    int r;

    if (!to)
        return -ENOMEM;
    r = stat_print(to, terminal, workers);
    if (fclose(to) != 0 && r == 0)
        r = -ENOMEM;
    if (r == 0)
        draw(text);
    return r;
}

static int show_anywhere(const struct session *s, const struct terminal *terminal,
                         const cJSON *document)
{
    const cJSON *workers = json_get(document, "workers");
    int r = 0;

    if (s->args->json)
        (void)print_json(document);
    else if (terminal->columns)
        r = show(terminal, workers);
    else
        r = stat_print(stdout, terminal, workers);
    if (r == 0 && !s->args->json && !terminal->columns)
        (void)fputc('\n', stdout);
    (void)fflush(stdout);
    return r < 0 ? complain(EXIT_FAILED, "%s", strerror(-r)) : EXIT_DONE;
}

static void show_loss(const struct session *s, const struct terminal *terminal)
{
    if (terminal->columns && !s->args->json)
        draw("opsd is not running; waiting for it");
}

static int watch(struct session *s)
{
    int r = EXIT_DONE;

    while (!ended && r == EXIT_DONE && !ferror(stdout)) {
        OWN(json) cJSON *document = NULL;
        struct terminal terminal = { 0 };

        if (suspended)
            stop_for_now();
        if (resumed)
            come_back();
        terminal = terminal_look(STDOUT_FILENO);
        r = ask(s, &document);
        if (document)
            r = show_anywhere(s, &terminal, document);
        else if (r == EXIT_DONE && !ended && !session_reconnect(s))
            show_loss(s, &terminal);
        if (r == EXIT_DONE && !ended)
            sleep_a_while();
    }
    return r;
}

int stat_watch(struct session *s)
{
    int r;

    catch_signals();
    if (isatty(STDOUT_FILENO) && !s->args->json)
        begin_on_screen();
    r = watch(s);
    give_screen();
    return r;
}
