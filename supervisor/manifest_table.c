/* The loop that reads an object by a table of fields: names and aliases are found, values handed to
 * their readers, and what does not fit is reported. */
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "manifest_fields.h"
#include "own.h"
#include "text.h"

/* max_restarts is maxRestarts too. */
static bool is_camel_case_of(const char *key, const char *word, size_t n)
{
    for (size_t i = 0; i < n; i++, key++) {
        char want = word[i];

        if (want == '_' && i + 1 < n)
            want = (char)toupper((unsigned char)word[++i]);
        if (*key != want)
            return false;
    }
    return *key == '\0';
}

static bool is_pattern(const struct field *field)
{
    return strchr(field->name, '*') != NULL;
}

static bool word_is(const char *key, const char *word, size_t n)
{
    return (strlen(key) == n && memcmp(key, word, n) == 0) || is_camel_case_of(key, word, n);
}

static bool name_is(const struct field *field, const char *key)
{
    size_t n = strlen(field->name);

    return is_pattern(field) ? strncmp(key, field->name, n - 1) == 0 : word_is(key, field->name, n);
}

/* The name or any alias is key. */
static bool field_is(const struct field *field, const char *key)
{
    const char *alias = field->aliases ? field->aliases : "";
    size_t n;

    /* Most begin otherwise, and a thousand apps ask for a hundred thousand. */
    if (*key == *field->name && name_is(field, key))
        return true;
    for (; *alias; alias += n, alias += *alias == ' ') {
        n = strcspn(alias, " ");
        if (word_is(key, alias, n))
            return true;
    }
    return false;
}

const struct field *field_find(const struct field_table *table, const char *key)
{
    for (size_t i = 0; i < table->count; i++)
        if (field_is(&table->rows[i], key))
            return &table->rows[i];
    return NULL;
}

const cJSON *given_value(const struct field_table *table, const struct given *given,
                         const char *name)
{
    const struct field *field = field_find(table, name);

    assert(field);
    return given->values[field - table->rows];
}

int fields_fall_back(struct reader *reader, const struct field_table *table, void *base)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct field *field = &table->rows[i];
        OWN(json) cJSON *value = NULL;
        struct place place = { .key = field->name };
        int r;

        if (!field->fallback)
            continue;
        place.value = value = cJSON_Parse(field->fallback);
        if (!value)
            return -ENOMEM;
        r = field->read(reader, field, &place, (char *)base + field->offset);
        assert(r == 0 || r == -ENOMEM);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Reports an unknown name with the known one that is nearest to it. */
static int report_unknown(struct reader *reader, const struct field_table *table,
                          const struct place *place)
{
    const char *words[FIELDS_MAX * 2], *nearest;
    size_t count = 0, n;

    if (problems_are_enough(reader->problems))
        return problems_add(reader->problems, place, "unknown field");
    for (size_t i = 0; i < table->count; i++) {
        const char *alias = table->rows[i].aliases ? table->rows[i].aliases : "";

        words[count++] = table->rows[i].name;
        for (; *alias && count < FIELDS_MAX * 2 - 1; alias += n, alias += *alias == ' ') {
            n = strcspn(alias, " ");
            words[count] = arena_text(reader->arena, alias, n);
            if (!words[count++])
                return -ENOMEM;
        }
    }
    nearest = text_nearest(place->key, words, count);
    return problems_add(reader->problems, place,
                        nearest ? "unknown field, did you mean \"%s\"?" : "unknown field", nearest);
}

/* A note that a field does nothing yet would be noise when it asks for what holds anyway. */
static bool asks_for_fallback(const struct field *field, const cJSON *value)
{
    OWN(json) cJSON *fallback = field->fallback ? cJSON_Parse(field->fallback) : NULL;

    return fallback && cJSON_Compare(fallback, value, true);
}

static int field_read_value(struct reader *reader, const struct field *field,
                            const struct place *place, void *base)
{
    int r = field->read(reader, field, place, (char *)base + field->offset);

    if (r == -EINVAL)
        return problems_add_wanted(reader->problems, place, field->wants);
    if (r == 0 && field->note && !asks_for_fallback(field, place->value))
        problems_note(reader->problems, place, field->note);
    return r;
}

static int member_read(struct reader *reader, const struct field_table *table,
                       const struct place *place, void *base, struct given *given)
{
    const struct field *field = field_find(table, place->key);
    const cJSON **seen;

    if (!field)
        return report_unknown(reader, table, place);
    if (cJSON_IsNull(place->value))
        return 0;
    seen = &given->values[field - table->rows];
    /* The same name twice is reported by manifest_json_find_repeated. */
    if (*seen && !is_pattern(field) && strcmp((*seen)->string, place->key) != 0)
        return problems_add(reader->problems, place, "is another name of %s, given on line %d",
                            (*seen)->string, value_line(*seen));
    *seen = place->value;
    return field_read_value(reader, field, place, base);
}

int fields_read(struct reader *reader, const struct field_table *table, const struct place *place,
                void *base, struct given *given)
{
    const cJSON *member;
    int result = 0, r;

    assert(table->count <= FIELDS_MAX);
    *given = (struct given){ .values = { NULL } };
    cJSON_ArrayForEach(member, place->value)
    {
        struct place at = { .up = place, .key = member->string, .value = member };

        r = member_read(reader, table, &at, base, given);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result = r;
    }
    return result;
}
