/*
 * `opsctl help --json`: the same as a document, for programs that want to know what there is.
 */
#include <stdio.h>
#include <string.h>

#include "json_write.h"
#include "libexec.h"
#include "opsctl.h"
#include "own.h"

enum { DOCUMENT_BYTES_MAX = 4 << 20 };

static void write_options(struct json_writer *w, const struct command *command)
{
    struct option_info option;
    char letter[2] = "";

    json_write_open(w, "options", '[');
    for (size_t i = 0; args_option(command, i, &option); i++) {
        letter[0] = option.letter;
        json_write_open(w, NULL, '{');
        json_write_text(w, "name", option.name);
        json_write_text(w, "letter", option.letter ? letter : NULL);
        json_write_text(w, "value", option.value);
        json_write_text(w, "help", option.help);
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

static void write_command(struct json_writer *w, const struct command *command)
{
    json_write_open(w, NULL, '{');
    json_write_text(w, "word", command->word);
    json_write_text(w, "arguments", command->arguments);
    json_write_text(w, "help", command->help);
    json_write_open(w, "aliases", '[');
    for (const struct alias *alias = aliases; alias->word; alias++) {
        if (strcmp(alias->of, command->word) == 0)
            json_write_text(w, NULL, alias->word);
    }
    json_write_close(w, ']');
    write_options(w, command);
    json_write_close(w, '}');
}

static void write_management(struct json_writer *w)
{
    OWN_LIBEXEC struct libexec libexec = { 0 };
    struct libexec_command command;

    libexec_open(&libexec);
    json_write_open(w, "management", '[');
    for (size_t i = 0; libexec_at(&libexec, i, &command); i++) {
        json_write_open(w, NULL, '{');
        json_write_text(w, "word", command.name);
        json_write_text(w, "app", command.app);
        json_write_text(w, "arguments", command.arguments);
        json_write_text(w, "help", command.about);
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

int help_print_json(const struct command *only)
{
    OWN_JSON_WRITER struct json_writer w = { 0 };
    OWN(json) cJSON *document = NULL;

    json_write_init(&w, DOCUMENT_BYTES_MAX);
    json_write_open(&w, NULL, '{');
    json_write_int(&w, "version", 1);
    json_write_open(&w, "commands", '[');
    for (const struct command *c = commands; c->word; c++) {
        if (!only || c == only)
            write_command(&w, c);
    }
    json_write_close(&w, ']');
    write_options(&w, NULL);
    write_management(&w);
    json_write_close(&w, '}');
    document = json_write_take(&w);
    return document ? print_json(document) : complain(EXIT_FAILED, "out of memory");
}
