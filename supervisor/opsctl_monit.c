/*
 * `opsctl monit`: a program of its own takes opsctl's place (monit.c), so that every other command
 * starts without ncurses, whose loading would make that a quarter longer.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libexec.h"
#include "opsctl.h"

int command_monit(struct session *s)
{
    static const struct libexec_command monit = { .name = "monit" };
    OWN_LIBEXEC struct libexec libexec = { 0 };
    char program[PATH_MAX];
    int r;

    /* Whatever is wrong with opsd is said by the same words as elsewhere. */
    r = session_open(s);
    if (r != EXIT_DONE)
        return r;
    libexec_open(&libexec);
    if (libexec_path(&libexec, &monit, program) < 0)
        return complain(EXIT_FAILED, "the path of monit is too long");
    (void)fflush(NULL);
    (void)signal(SIGPIPE, SIG_DFL);
    (void)execl(program, "opsctl monit", "--home", s->home.path, NULL);
    return complain(EXIT_FAILED, "%s: %s", program, strerror(errno));
}
