/*
 * opsctl monit: the fleet on the whole terminal. A program of its own, so that only this one loads
 * ncurses; opsctl finds it in libexec and hands over the home.
 *
 *     monit --home DIR
 *
 * Keys and signals end in the model, opsd's answers too; then it is drawn.
 */
#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "instant.h"
#include "monit_link.h"
#include "monit_view.h"
#include "opsctl.h"
#include "terminal_signals.h"

enum { EVERY_MS = 1000 };

static volatile sig_atomic_t ended, suspended;

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

/* They come only while something is waited for. SIGWINCH is ncurses' own; SIGTSTP would be, too,
 * but for the one that comes while it draws, which it ignores. */
static void catch_signals(void)
{
    static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        terminal_catch(numbers[i], end);
    terminal_catch_stop(suspend);
    (void)signal(SIGPIPE, SIG_IGN);
}

/* Ctrl-Z: stops here, with the terminal as it was, until somebody says `fg`. */
static void stop_for_now(void)
{
    monit_view_lend();
    suspended = 0;
    terminal_stop(suspend);
}

/* --- keys */

/* While the filter is typed every key belongs to it. Returns whether another worker is selected. */
static bool type(struct monit *m, int key)
{
    if (key == MONIT_ENTER || key == MONIT_ESCAPE)
        m->typing = false;
    if (key == MONIT_ESCAPE) {
        m->filter[0] = '\0';
        return monit_move(m, 0);
    }
    return monit_type(m, key == MONIT_ERASE ? '\b' : key < MONIT_UP ? key : 0);
}

static void confirm(struct monit *m, struct monit_link *link, int key)
{
    const char *method = m->asks;

    m->asks = NULL;
    if (key == 'y' || key == 'Y')
        monit_link_command(link, m, method);
    else
        monit_say(m, false, "not done");
}

static void select_by(struct monit *m, int key)
{
    static const struct {
        int key;
        long by, pages;
    } moves[] = {
        { MONIT_UP, -1, 0 },       { 'k', -1, 0 },
        { MONIT_DOWN, 1, 0 },      { 'j', 1, 0 },
        { MONIT_PAGE_UP, 0, -1 },  { MONIT_PAGE_DOWN, 0, 1 },
        { MONIT_FIRST, -4096, 0 }, { MONIT_LAST, 4096, 0 },
    };

    for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
        if (moves[i].key == key)
            (void)monit_move(m, moves[i].by + moves[i].pages * monit_view_page());
}

/* What disturbs the worker is asked for first. */
static void act(struct monit *m, struct monit_link *link, int key)
{
    if (key == 'q')
        ended = 1;
    else if (key == '/')
        m->typing = true;
    else if (key == 'r' && monit_selected(m))
        m->asks = "restart";
    else if (key == 's' && monit_selected(m))
        m->asks = "stop";
    else if (key == 't')
        monit_link_command(link, m, "start");
    else if (key == MONIT_ESCAPE)
        (void)type(m, key);
    else
        select_by(m, key);
}

static void take_keys(struct monit *m, struct monit_link *link)
{
    int key;

    while ((key = monit_view_key()) != MONIT_NOTHING && !ended) {
        /* What was said before has been read. */
        if (key != MONIT_OTHER)
            monit_say(m, false, "%s", "");
        if (m->typing)
            (void)type(m, key);
        else if (m->asks && key != MONIT_OTHER)
            confirm(m, link, key);
        else
            act(m, link, key);
    }
    monit_link_follow(link, m);
}

/* --- the loop */

static void wait_for_something(const struct monit_link *link, struct pollfd fds[static 3],
                               uint64_t next_ms)
{
    uint64_t now = monotonic_now_ms(), left = next_ms > now ? next_ms - now : 0;
    struct timespec timeout = { (time_t)(left / 1000), (long)(left % 1000) * 1000000 };
    sigset_t none;

    fds[0] = (struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN };
    fds[1] = (struct pollfd){ .fd = link->fleet.fd, .events = POLLIN };
    fds[2] = (struct pollfd){ .fd = link->logs.fd, .events = POLLIN };
    (void)sigemptyset(&none);
    if (ppoll(fds, 3, &timeout, &none) < 0)
        fds[0].revents = fds[1].revents = fds[2].revents = 0;
}

static void run(struct monit *m, struct monit_link *link)
{
    uint64_t next_ms = 0;
    struct pollfd fds[3];

    while (!ended) {
        if (monotonic_now_ms() >= next_ms) {
            next_ms = monotonic_now_ms() + EVERY_MS;
            monit_link_ask(link, m);
        }
        monit_link_follow(link, m);
        monit_view_draw(m);
        wait_for_something(link, fds, next_ms);
        if (suspended)
            stop_for_now();
        /* A terminal that is gone is readable for ever. */
        if (fds[0].revents & (POLLHUP | POLLERR))
            ended = 1;
        if (fds[1].revents)
            monit_link_read_fleet(link, m);
        if (fds[2].revents && link->logs.fd == fds[2].fd)
            monit_link_read_logs(link, m);
        take_keys(m, link);
    }
}

int main(int argc, char **argv)
{
    static struct monit m;
    struct monit_link link;
    struct err err = { "" };
    int r;

    (void)setlocale(LC_CTYPE, "C.UTF-8");
    if (argc != 3 || strcmp(argv[1], "--home") != 0)
        return complain(EXIT_USAGE, "usage: opsctl monit");
    monit_init(&m);
    r = monit_link_open(&link, argv[2], &err);
    if (r < 0)
        return complain(r == -EACCES ? EXIT_NOT_PERMITTED : EXIT_NOT_RUNNING, "%s", err.text);
    catch_signals();
    r = monit_view_open();
    if (r == 0)
        run(&m, &link);
    monit_view_close();
    monit_link_close(&link);
    monit_done(&m);
    return r < 0 ? complain(EXIT_FAILED, "monit wants a terminal that is known (TERM)") : EXIT_DONE;
}
