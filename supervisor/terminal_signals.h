#ifndef OPS_TERMINAL_SIGNALS_H
#define OPS_TERMINAL_SIGNALS_H
/*
 * Signals of a program that has the terminal for itself. They are blocked but while it waits, with
 * an empty mask (ppoll(2)), so none is missed; and Ctrl-Z waits until it has given the terminal
 * back.
 */

/* Has handler called for a signal, and blocks it. */
void terminal_catch(int number, void (*handler)(int));

/* The same for SIGTSTP, unless it is ignored: by a shell without jobs, for us. */
void terminal_catch_stop(void (*handler)(int));

/* Stops here, as SIGTSTP does by itself, until somebody says `fg`; then handler is called for the
 * next one. */
void terminal_stop(void (*handler)(int));

#endif
