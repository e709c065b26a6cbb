/* The command line of opsd: reading it, and writing it for opsd's own other processes. */
#include "opsd_options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "commands.h"
#include "text.h"

static const char USAGE[] =
    "usage: opsd [--home DIR] [--manifest FILE] [--foreground] [--no-start]\n"
    "\n"
    "  --home DIR       where the lock, the socket and the state are\n"
    "                   (default: OPS_HOME, else .ops beside the manifest)\n"
    "  --manifest FILE  the fleet (default: the nearest ecosystem.json)\n"
    "  --foreground     do not become a daemon; log to stderr\n"
    "  --no-start       start nothing; wait for opsctl\n";

enum { LINK = 1000, STORE, GUARD_STORE, SUPERVISOR, UNDER_SYSTEMD, ROLLED_BACK };

static const struct option known[] = {
    { "home", required_argument, NULL, 'd' },
    { "manifest", required_argument, NULL, 'm' },
    { "foreground", no_argument, NULL, 'f' },
    { "no-start", no_argument, NULL, 'n' },
    { "version", no_argument, NULL, 'v' },
    { "help", no_argument, NULL, 'h' },
    { "link", required_argument, NULL, LINK },
    { "store", required_argument, NULL, STORE },
    { "guard-store", required_argument, NULL, GUARD_STORE },
    { "supervisor", required_argument, NULL, SUPERVISOR },
    { "under-systemd", no_argument, NULL, UNDER_SYSTEMD },
    { "rolled-back", no_argument, NULL, ROLLED_BACK },
    { 0 },
};

static int read_number(const char *text, int *ret)
{
    int64_t number;

    if (text_to_int(text, 0, INT_MAX, &number) < 0)
        return -EINVAL;
    *ret = (int)number;
    return 0;
}

static int read_one(int c, struct options *options)
{
    switch (c) {
    case 'd':
        options->home = optarg;
        return 0;
    case 'm':
        options->manifest = optarg;
        return 0;
    case 'f':
        options->foreground = true;
        return 0;
    case 'n':
        options->no_start = true;
        return 0;
    case 'v':
        (void)puts("opsd " OPS_VERSION);
        exit(EXIT_DONE);
    case 'h':
        (void)fputs(USAGE, stdout);
        exit(EXIT_DONE);
    case LINK:
        return read_number(optarg, &options->link);
    case STORE:
        return read_number(optarg, &options->store);
    case GUARD_STORE:
        return read_number(optarg, &options->guard_store);
    case SUPERVISOR:
        return read_number(optarg, &options->supervisor);
    case UNDER_SYSTEMD:
        options->under_systemd = true;
        return 0;
    case ROLLED_BACK:
        options->rolled_back = true;
        return 0;
    default:
        return -EINVAL;
    }
}

int options_read(int argc, char **argv, struct options *ret)
{
    int c, r = 0;

    *ret = (struct options){ .link = -1, .store = -1, .guard_store = -1 };
    while (r == 0 && (c = getopt_long(argc, argv, "", known, NULL)) != -1)
        r = read_one(c, ret);
    if (r < 0) {
        (void)fputs(USAGE, stderr);
        return r;
    }
    if (optind < argc) {
        (void)fprintf(stderr, "opsd: unexpected argument \"%s\"\n%s", argv[optind], USAGE);
        return -EINVAL;
    }
    return 0;
}

void options_write(const struct options *options, struct option_words *ret)
{
    /* clang-format off */
    const struct {
        const char *name;
        const char *value; /* NULL: a number is meant, or none */
        int number;        /* -1: none */
        bool given;
    } rows[] = {
        { "--home",          options->home,        -1,  true },
        { "--manifest",      options->manifest,    -1,  options->manifest != NULL },
        { "--foreground",    NULL,                 -1,  options->foreground },
        { "--no-start",      NULL,                 -1,  options->no_start },
        { "--under-systemd", NULL,                 -1,  options->under_systemd },
        { "--rolled-back",   NULL,                 -1,  options->rolled_back },
        { "--link",          NULL, options->link,        options->link >= 0 },
        { "--store",         NULL, options->store,       options->store >= 0 },
        { "--guard-store",   NULL, options->guard_store, options->guard_store >= 0 },
        { "--supervisor",    NULL, options->supervisor,  options->supervisor > 0 },
    };
    /* clang-format on */
    size_t n = 0, numbers = 0;

    ret->argv[n++] = "opsd";
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!rows[i].given)
            continue;
        ret->argv[n++] = rows[i].name;
        if (rows[i].value) {
            ret->argv[n++] = rows[i].value;
        } else if (rows[i].number >= 0) {
            (void)snprintf(ret->numbers[numbers], sizeof ret->numbers[numbers], "%d",
                           rows[i].number);
            ret->argv[n++] = ret->numbers[numbers++];
        }
    }
    ret->argv[n] = NULL;
}
