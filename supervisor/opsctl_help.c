/*
 * help and version. Everything that help says about a command or an option comes from the tables
 * that the parser reads.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "libexec.h"
#include "manifest.h"
#include "opsctl.h"
#include "own.h"

enum { WORD_COLUMNS = 17, MANAGEMENT_COLUMNS = 32, OPTION_COLUMNS = 26 };

static void print_options(FILE *to, const struct command *command)
{
    struct option_info option;
    char text[64];

    for (size_t i = 0; args_option(command, i, &option); i++) {
        (void)snprintf(text, sizeof text, "%c%c%s--%s%s%s", option.letter ? '-' : ' ',
                       option.letter ? option.letter : ' ', option.letter ? ", " : "  ",
                       option.name, option.value ? " " : "", option.value ? option.value : "");
        (void)fprintf(to, "  %-*s%s\n", OPTION_COLUMNS, text, option.help);
    }
}

/* Those of one app stand together in the index. */
static void print_management(FILE *to)
{
    OWN_LIBEXEC struct libexec libexec = { 0 };
    struct libexec_command command;
    const char *app = NULL;

    libexec_open(&libexec);
    for (size_t i = 0; libexec_at(&libexec, i, &command); i++) {
        if (!app || strcmp(app, command.app) != 0)
            (void)fprintf(to, "\ncommands of %s:\n", command.app);
        app = command.app;
        (void)fprintf(to, "  %-*s %s\n", MANAGEMENT_COLUMNS - 1, command.name, command.about);
    }
}

void help_print(FILE *to)
{
    (void)fprintf(to, "usage: opsctl COMMAND [ARGUMENTS] [OPTIONS]\n\ncommands:\n");
    for (const struct command *c = commands; c->word; c++)
        (void)fprintf(to, "  %-*s%s\n", WORD_COLUMNS, c->word, c->help);
    print_management(to);
    (void)fprintf(to, "\noptions of every command:\n");
    print_options(to, NULL);
    (void)fprintf(
        to, "\nNAME is a worker, NAME:INSTANCE one of its instances, APP all of an app, FILE.json\n"
            "all that come from that file.\n"
            "exit codes: 0 done, 1 failed, 2 usage, 3 not running, 4 no such worker,"
            " 5 not permitted\n"
            "more: opsctl help COMMAND, opsctl help manifest\n");
}

/* What the row of a command in commands.h has no room for. */
static const struct {
    const char *word, *text;
} remarks[] = {
    { "stat",
      "With NAME the exit code tells whether it is up: 0 when it is online, launching or\n"
      "scheduled (waiting for its tick), or one of several is; otherwise 3, also when it has\n"
      "completed.\n" },
    { "stop", "With --timeout only the wait ends early; the stop goes on in the background.\n" },
    { "kill", "With --timeout only the wait ends early; the stop goes on in the background.\n" },
    { "check",
      "Reads what opsd would read: the apps of the profile that OPS_PROFILE names, in the\n"
      "environment or in the .env beside FILE.\n"
      "What is on the disk is looked at, too: programs, folders, users, and whether logs could\n"
      "be written.\n" },
    { "reload",
      "When the new process does not get ready the old one serves on, and the command fails.\n"
      "What does not serve is started anew, and has to get ready as well.\n" },
};

const char *help_remark(const struct command *command)
{
    for (size_t i = 0; i < sizeof remarks / sizeof remarks[0]; i++) {
        if (strcmp(remarks[i].word, command->word) == 0)
            return remarks[i].text;
    }
    return NULL;
}

void help_print_command(FILE *to, const struct command *command)
{
    struct option_info option;
    const char *before = "also called: ";

    (void)fprintf(to, "usage: opsctl %s%s%s\n\n%s\n", command->word,
                  command->arguments[0] ? " " : "", command->arguments, command->help);
    if (help_remark(command))
        (void)fputs(help_remark(command), to);
    for (const struct alias *alias = aliases; alias->word; alias++) {
        if (strcmp(alias->of, command->word) != 0)
            continue;
        (void)fprintf(to, "%s%s", before, alias->word);
        before = ", ";
    }
    if (before[0] == ',')
        (void)fputc('\n', to);
    if (args_option(command, 0, &option)) {
        (void)fprintf(to, "\noptions:\n");
        print_options(to, command);
    }
    (void)fprintf(to, "\noptions of every command:\n");
    print_options(to, NULL);
}

static void print_manifest_fields(void)
{
    struct manifest_field_info field;

    (void)printf("fields of an app in ecosystem.json:\n\n");
    for (size_t i = 0; manifest_field_info(i, &field); i++) {
        (void)printf("%s", field.name);
        if (field.aliases && field.aliases[0])
            (void)printf(" (or %s)", field.aliases);
        (void)printf(": %s", field.wants);
        if (field.fallback && field.fallback[0])
            (void)printf("; default %s", field.fallback);
        (void)printf("\n    %s\n", field.help);
    }
    (void)printf("\nbeside \"apps\":\n\n"
                 "socket_group: a group's name or number; default none\n"
                 "    its members may ask opsd for everything, as root and its owner may\n");
}

int command_help(struct session *s)
{
    const char *topic = s->args->count ? s->args->words[0] : NULL;
    const struct command *command = topic ? command_find(topic) : NULL;

    if (s->args->json && (!topic || command))
        return help_print_json(command);
    if (!topic)
        help_print(stdout);
    else if (strcmp(topic, "manifest") == 0)
        print_manifest_fields();
    else if (command)
        help_print_command(stdout, command);
    else
        return manage(s, topic, true);
    return EXIT_DONE;
}

int command_version(struct session *s)
{
    OWN(json) cJSON *document = NULL;

    if (!s->args->json) {
        (void)printf("opsctl %s\n", OPS_VERSION);
        return EXIT_DONE;
    }
    document = cJSON_CreateObject();
    if (!document || !json_put_text(document, "version", OPS_VERSION))
        return complain(EXIT_FAILED, "out of memory");
    return print_json(document);
}
