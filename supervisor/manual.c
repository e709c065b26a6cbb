/*
 * manual: fills in the templates of man/ from the table of commands and the table of fields, so
 * that the pages say what the programs take. A program of the build; nothing of it is installed.
 *
 *     manual < man/opsctl.1.in > opsctl.1
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"
#include "opsctl.h"

/* mdoc(7): a line that begins with a dot or a quote, and every backslash, would be markup. */
static void print_text(const char *text)
{
    if (text[0] == '.' || text[0] == '\'')
        (void)fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            (void)fputs("\\e", stdout);
        else
            (void)putchar(*text);
    }
    (void)putchar('\n');
}

/* As the argument of a macro: one word, whatever is in it, nothing taken for another macro. */
static void print_word(const char *text)
{
    (void)fputs(" \"", stdout);
    for (; *text; text++) {
        if (*text == '"')
            (void)fputs("\\(dq", stdout);
        else if (*text == '\\')
            (void)fputs("\\e", stdout);
        else if (*text == '-')
            (void)fputs("\\-", stdout);
        else
            (void)putchar(*text);
    }
    (void)putchar('"');
}

static void print_options_of(const struct command *command)
{
    struct option_info option;

    for (size_t i = 0; args_option(command, i, &option); i++) {
        (void)fputs(".It", stdout);
        if (option.letter)
            (void)printf(" Fl %c ,", option.letter);
        (void)printf(" Fl -%s", option.name);
        if (option.value)
            (void)printf(" Ar %s", option.value);
        (void)putchar('\n');
        print_text(option.help);
    }
}

static void print_aliases_of(const struct command *command)
{
    const char *before = ".br\nAlso called";

    for (const struct alias *alias = aliases; alias->word; alias++) {
        if (strcmp(alias->of, command->word) != 0)
            continue;
        (void)printf("%s\n.Cm %s", before, alias->word);
        before = " ,";
    }
    if (before[0] == ' ')
        (void)puts(" .");
}

/* A line after the other, as markup goes by lines. */
static void print_remark(const struct command *command)
{
    const char *remark = help_remark(command);
    char line[256];
    size_t n;

    for (; remark && *remark; remark += n + (remark[n] == '\n')) {
        n = strcspn(remark, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)n, remark);
        print_text(line);
    }
}

static void print_commands(void)
{
    struct option_info option;

    for (const struct command *c = commands; c->word; c++) {
        (void)printf(".It Cm %s", c->word);
        if (c->arguments[0])
            print_word(c->arguments);
        (void)putchar('\n');
        print_text(c->help);
        print_remark(c);
        print_aliases_of(c);
        if (!args_option(c, 0, &option))
            continue;
        (void)puts(".Bl -tag -width Ds -compact");
        print_options_of(c);
        (void)puts(".El");
    }
}

static void print_options(void)
{
    print_options_of(NULL);
}

static void print_fields(void)
{
    struct manifest_field_info field;

    for (size_t i = 0; manifest_field_info(i, &field); i++) {
        (void)fputs(".It Cm", stdout);
        print_word(field.name);
        (void)putchar('\n');
        print_text(field.help);
        (void)printf(".br\nWants: ");
        print_text(field.wants);
        if (field.fallback && field.fallback[0]) {
            (void)printf(".br\nDefault: ");
            print_text(field.fallback);
        }
        if (field.aliases && field.aliases[0]) {
            (void)printf(".br\nAlso called: ");
            print_text(field.aliases);
        }
    }
}

static const struct {
    const char *place;
    void (*print)(void);
} places[] = {
    { "@COMMANDS@\n", print_commands },
    { "@OPTIONS@\n", print_options },
    { "@FIELDS@\n", print_fields },
};

int main(void)
{
    char line[512];
    size_t i;

    while (fgets(line, sizeof line, stdin)) {
        for (i = 0; i < sizeof places / sizeof places[0]; i++)
            if (strcmp(line, places[i].place) == 0)
                break;
        if (i < sizeof places / sizeof places[0])
            places[i].print();
        else
            (void)fputs(line, stdout);
    }
    return ferror(stdin) || fflush(stdout) != 0 || ferror(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
