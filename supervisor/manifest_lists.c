/* Lists in a manifest: texts, arguments, exit codes; and what may be a switch instead of one. */
#include <errno.h>
#include <string.h>

#include "manifest_read.h"
#include "own.h"

enum { EXIT_CODE_MAX = 255 };

/* Texts that are being listed; room for one more is always kept, for the NULL at the end. */
struct listing {
    const char **texts;
    size_t count;
};

static int listing_init(struct reader *reader, struct listing *listing, size_t most)
{
    *listing = (struct listing){
        .texts = arena_alloc_array(reader->arena, most + 1, sizeof *listing->texts),
    };
    return listing->texts ? 0 : -ENOMEM;
}

int list_children(struct reader *reader, const struct place *list, listing_add *add, texts *ret)
{
    struct listing listing;
    const cJSON *child;
    int index = 0, result, r;

    r = listing_init(reader, &listing, (size_t)cJSON_GetArraySize(list->value));
    if (r < 0)
        return r;
    result = 0;
    cJSON_ArrayForEach(child, list->value)
    {
        struct place place = { .up = list, .key = child->string, .index = index++, .value = child };

        r = add(reader, &place, &listing.texts[listing.count]);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result = r;
        else
            listing.count += listing.texts[listing.count] != NULL;
    }
    if (result == 0)
        *ret = listing.texts;
    return result;
}

static int add_text(struct reader *reader, const struct place *place, const char **ret)
{
    const char *text = cJSON_GetStringValue(place->value);

    if (!text)
        return problems_add_wanted(reader->problems, place, "a text");
    *ret = arena_text(reader->arena, text, strlen(text));
    return *ret ? 0 : -ENOMEM;
}

static int add_argument(struct reader *reader, const struct place *place, const char **ret)
{
    int r = scalar_text(reader, place->value, ret);

    return r == -EINVAL ? problems_add_wanted(reader->problems, place, "a text or a number") : r;
}

int read_texts(struct reader *reader, const struct field *field, const struct place *place,
               void *to)
{
    struct listing listing;
    int r;

    (void)field;
    if (cJSON_IsArray(place->value))
        return list_children(reader, place, add_text, to);
    if (!cJSON_IsString(place->value))
        return -EINVAL;
    r = listing_init(reader, &listing, 1);
    if (r == 0)
        r = add_text(reader, place, &listing.texts[0]);
    if (r == 0)
        *(texts *)to = listing.texts;
    return r;
}

/* Whether the value is true or false; *ret_on says which. */
static bool is_switch(const struct place *place, bool *ret_on)
{
    *ret_on = cJSON_IsTrue(place->value);
    return cJSON_IsBool(place->value);
}

int read_filter(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    struct app *app = to;

    return is_switch(place, &app->filter_all) ? 0
                                              : read_texts(reader, field, place, &app->filter_env);
}

/* true leaves watch_paths to be settled with cwd. */
int read_watch(struct reader *reader, const struct field *field, const struct place *place,
               void *to)
{
    struct app *app = to;
    int r;

    if (is_switch(place, &app->watch))
        return 0;
    r = read_texts(reader, field, place, &app->watch_paths);
    app->watch = r == 0 && app->watch_paths[0];
    return r;
}

int read_log_file(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    struct app *app = to;
    int r;

    if (is_switch(place, &app->log_both))
        return 0;
    r = read_log_path(reader, field, place, &app->log_file);
    app->log_both = r == 0;
    return r;
}

/* One word of a command line, from *from on, its quotes taken off, into to: sh's rules of quoting
 * without any expansion. Returns the byte behind what was written, or NULL when a quote is open. */
static char *unquote_word(const char **from, char *to)
{
    const char *p = *from;
    char quote = '\0';

    for (; *p && (quote || !strchr(" \t\r\n", *p)); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'') {
            quote = quote ? '\0' : *p;
            continue;
        }
        if (*p == '\\' && p[1] && (!quote || (quote == '"' && strchr("\"\\$`", p[1]))))
            p++;
        *to++ = *p;
    }
    *from = p;
    return quote ? NULL : to;
}

static int split_words(struct reader *reader, const struct place *place, texts *ret)
{
    const char *line = place->value->valuestring;
    struct listing listing;
    char *word, *end;
    size_t most = 1;

    for (const char *p = line; *p; p++)
        most += strchr(" \t\r\n", *p) != NULL;
    /* Each word is written in place with a '\0' behind it, which replaces the space after it. */
    word = arena_text(reader->arena, line, strlen(line) + 1);
    if (!word || listing_init(reader, &listing, most) < 0)
        return -ENOMEM;
    while ((line += strspn(line, " \t\r\n"), *line)) {
        end = unquote_word(&line, word);
        if (!end)
            return problems_add(reader->problems, place, "a quote is not closed");
        *end = '\0';
        listing.texts[listing.count++] = word;
        word = end + 1;
    }
    *ret = listing.texts;
    return 0;
}

int read_arguments(struct reader *reader, const struct field *field, const struct place *place,
                   void *to)
{
    (void)field;
    if (cJSON_IsString(place->value))
        return split_words(reader, place, to);
    return cJSON_IsArray(place->value) ? list_children(reader, place, add_argument, to) : -EINVAL;
}

int read_exit_codes(struct reader *reader, const struct field *field, const struct place *place,
                    void *to)
{
    bool is_list = cJSON_IsArray(place->value);
    size_t n = is_list ? (size_t)cJSON_GetArraySize(place->value) : 1;
    const cJSON *value = is_list ? place->value->child : place->value;
    struct restart_policy *policy = to;
    int *codes = arena_alloc_array(reader->arena, n, sizeof *codes);
    int64_t code;

    if (!codes)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++, value = value->next) {
        struct place element = { .up = place, .index = (int)i, .value = value };

        if (whole_number(value, 0, EXIT_CODE_MAX, &code) < 0)
            return problems_add_wanted(reader->problems, is_list ? &element : place, field->wants);
        codes[i] = (int)code;
    }
    policy->stop_exit_codes = codes;
    policy->stop_exit_codes_count = n;
    return 0;
}
