/*
 * opsctl: the command a person types. What it can do is the table in commands.h; here the command
 * line is read, the command carried out, and standard output closed with care.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "opsctl.h"

static int usage(const char *why)
{
    if (why)
        (void)complain(EXIT_USAGE, "%s", why);
    else
        help_print(stderr);
    return EXIT_USAGE;
}

/* With --help nothing else is done. */
static int help(struct session *s)
{
    const struct args *args = s->args;

    if (!args->command && args->count)
        return manage(s, args->words[0], true);
    if (args->command)
        help_print_command(stdout, args->command);
    else
        help_print(stdout);
    return EXIT_DONE;
}

static int carry_out(struct session *s)
{
    const struct args *args = s->args;

    if (args->version)
        return command_version(s);
    if (args->help)
        return help(s);
    if (args->command)
        return args->command->run(s);
    return args->count ? manage(s, args->words[0], false) : usage(NULL);
}

static int run(const struct args *args)
{
    struct session s = { .args = args, .home = { .fd = -1 }, .client = { .fd = -1 } };
    int code;

    if (args->json)
        failure_as_document();
    code = carry_out(&s);
    client_done(&s.client);
    home_done(&s.home);
    return code;
}

/* A reader that had enough (`| head`) is no failure; a full disk is. */
static int finish(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    if (errno == EPIPE || errno == 0)
        return code;
    return complain(code ? code : EXIT_FAILED, "writing to standard output: %s", strerror(errno));
}

int main(int argc, char **argv)
{
    struct args args;
    struct err err;

    /* Writing to a closed pipe is an error like others; the socket asks for no signal either. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (args_parse(argc, argv, &args, &err) < 0)
        return usage(err.text);
    return finish(run(&args));
}
