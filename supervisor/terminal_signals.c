/* Signals of a program that has the terminal for itself. */
#include "terminal_signals.h"

#include <signal.h>

void terminal_catch(int number, void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };
    sigset_t blocked;

    (void)sigaction(number, &action, NULL);
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, number);
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
}

void terminal_catch_stop(void (*handler)(int))
{
    struct sigaction stop;

    if (sigaction(SIGTSTP, NULL, &stop) == 0 && stop.sa_handler != SIG_IGN)
        terminal_catch(SIGTSTP, handler);
}

void terminal_stop(void (*handler)(int))
{
    sigset_t stop;

    (void)sigemptyset(&stop);
    (void)sigaddset(&stop, SIGTSTP);
    (void)signal(SIGTSTP, SIG_DFL);
    (void)raise(SIGTSTP);
    (void)sigprocmask(SIG_UNBLOCK, &stop, NULL);
    terminal_catch(SIGTSTP, handler);
}
