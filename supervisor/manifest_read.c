/* Plain values of a manifest: numbers, durations, names, paths. */
#include "manifest_read.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "instant.h"
#include "own.h"
#include "text.h"

enum { NAME_MAX_BYTES = 64, SIGNALS_MAX = 64, ZONE_MAX_BYTES = 64 };

static const double exact_most = 9007199254740992.0; /* 2^53: all whole numbers up to here */

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static bool consists_of(const char *text, const char *characters)
{
    return text[strspn(text, characters)] == '\0';
}

/* The text of place's value; NULL when it is none or empty. */
static const char *text_of(const struct place *place)
{
    const char *text = cJSON_GetStringValue(place->value);

    return text && *text ? text : NULL;
}

static int keep_text(struct reader *reader, const char *text, void *to)
{
    const char *copy = text ? arena_text(reader->arena, text, strlen(text)) : NULL;

    if (!text)
        return -EINVAL;
    if (!copy)
        return -ENOMEM;
    *(const char **)to = copy;
    return 0;
}

int read_anything(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    (void)reader, (void)field, (void)place, (void)to;
    return 0;
}

int read_bool(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    (void)reader, (void)field;
    if (!cJSON_IsBool(place->value))
        return -EINVAL;
    *(bool *)to = cJSON_IsTrue(place->value);
    return 0;
}

int whole_number(const cJSON *value, int64_t least, int64_t most, int64_t *ret)
{
    double number = value->valuedouble;

    if (cJSON_IsString(value))
        return text_to_int(value->valuestring, least, most, ret) < 0 ? -EINVAL : 0;
    if (!cJSON_IsNumber(value) || fabs(number) > exact_most || trunc(number) != number)
        return -EINVAL;
    if (number < (double)least || number > (double)most)
        return -EINVAL;
    *ret = (int64_t)number;
    return 0;
}

int read_whole(struct reader *reader, const struct field *field, const struct place *place,
               void *to)
{
    int64_t number;
    int r = whole_number(place->value, field->least, field->most, &number);

    (void)reader;
    if (r == 0)
        *(int *)to = (int)number;
    return r;
}

int read_real(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    double number = place->value->valuedouble;

    (void)reader;
    if (!cJSON_IsNumber(place->value) || number < (double)field->least ||
        number > (double)field->most)
        return -EINVAL;
    *(double *)to = number;
    return 0;
}

int read_duration(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    const char *text = text_of(place);
    int64_t ms;
    int r;

    (void)reader;
    if (text)
        r = duration_parse(text, &ms);
    else
        r = whole_number(place->value, 0, INT64_MAX, &ms);
    if (r < 0 || ms < field->least || ms > field->most)
        return -EINVAL;
    *(int64_t *)to = ms;
    return 0;
}

/* PM2's 300M, with or without a B behind it; the units are powers of 1024. */
static int size_parse(const char *text, int64_t *ret)
{
    static const char units[] = "KMG";
    size_t digits = strspn(text, DIGITS);
    const char *unit = text + digits, *known;
    char number[20];
    int shift = 0;
    int64_t bytes;

    if (!digits || digits >= sizeof number)
        return -EINVAL;
    memcpy(number, text, digits);
    number[digits] = '\0';
    known = *unit ? strchr(units, *unit & ~0x20) : NULL;
    if (known) {
        shift = 10 * (int)(known - units + 1);
        unit++;
    }
    if (*unit && strcasecmp(unit, "B") != 0)
        return -EINVAL;
    if (text_to_int(number, 0, INT64_MAX >> shift, &bytes) < 0)
        return -EINVAL;
    *ret = bytes << shift;
    return 0;
}

int read_size(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *text = text_of(place);
    int64_t bytes = -1;
    int r = 0;

    (void)reader;
    if (!text)
        r = whole_number(place->value, 0, INT64_MAX, &bytes);
    else if (field->least > 0 || strcmp(text, "unlimited") != 0)
        r = size_parse(text, &bytes);
    if (r < 0 || (bytes >= 0 && bytes < field->least))
        return -EINVAL;
    *(int64_t *)to = bytes;
    return 0;
}

int read_choice(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    const char *text = text_of(place), *word = field->words;
    size_t n = text ? strlen(text) : 0;

    (void)reader;
    for (int i = 0; text && *word; i++) {
        size_t length = strcspn(word, " ");

        if (length == n && memcmp(word, text, n) == 0) {
            *(int *)to = i;
            return 0;
        }
        word += length;
        word += *word == ' ';
    }
    return -EINVAL;
}

int read_text(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    (void)field;
    return keep_text(reader, text_of(place), to);
}

bool name_is_sane(const char *name)
{
    size_t n = strlen(name);

    return n >= 1 && n <= NAME_MAX_BYTES && consists_of(name, LETTERS DIGITS "._-") &&
           !strchr(".-", name[0]) && !consists_of(name, DIGITS) && strcmp(name, "all") != 0;
}

int read_name(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *name = text_of(place);

    (void)field;
    return keep_text(reader, name && name_is_sane(name) ? name : NULL, to);
}

int read_variable(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    const char *name = text_of(place);
    bool sane = name && consists_of(name, LETTERS DIGITS "_") && !strchr(DIGITS, name[0]);

    (void)field;
    return keep_text(reader, sane ? name : NULL, to);
}

const char *path_join(const struct reader *reader, const char *folder, const char *path)
{
    OWN_BUF struct buf joined = { 0 };
    size_t n = strlen(folder);

    buf_init(&joined, MANIFEST_BYTES_MAX);
    if (path[0] == '/')
        return arena_text(reader->arena, path, strlen(path));
    while (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
        path += path[1] ? 2 + strspn(path + 2, "/") : 1;
    if (buf_add(&joined, folder, n) < 0)
        return NULL;
    if (*path && (!n || folder[n - 1] != '/') && buf_add_text(&joined, "/") < 0)
        return NULL;
    if (buf_add_text(&joined, path) < 0)
        return NULL;
    return arena_text(reader->arena, joined.p, joined.len);
}

const char *path_within(const struct reader *reader, const char *path)
{
    return path_join(reader, reader->folder, path);
}

int read_path(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *text = text_of(place), *path;

    (void)field;
    if (!text)
        return -EINVAL;
    path = path_within(reader, text);
    if (!path)
        return -ENOMEM;
    *(const char **)to = path;
    return 0;
}

int read_log_path(struct reader *reader, const struct field *field, const struct place *place,
                  void *to)
{
    const char *text = text_of(place);

    if (text && strcmp(text, "NULL") == 0)
        return keep_text(reader, "/dev/null", to);
    return read_path(reader, field, place, to);
}

/* Its form only: whether the zone exists takes a look into a file, and that is the caller's. */
int read_zone(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *zone = text_of(place);
    bool sane = zone && strlen(zone) <= ZONE_MAX_BYTES &&
                consists_of(zone, LETTERS DIGITS "/_+-") && zone[0] != '/';

    (void)field;
    return keep_text(reader, sane ? zone : NULL, to);
}

int read_signal(struct reader *reader, const struct field *field, const struct place *place,
                void *to)
{
    const char *name = text_of(place), *known;
    int64_t number;

    (void)reader, (void)field;
    if (whole_number(place->value, 1, SIGNALS_MAX, &number) == 0) {
        *(int *)to = (int)number;
        return 0;
    }
    if (!name)
        return -EINVAL;
    if (strncmp(name, "SIG", 3) == 0)
        name += 3;
    for (int i = 1; i < NSIG; i++) {
        known = sigabbrev_np(i);
        if (known && strcmp(known, name) == 0) {
            *(int *)to = i;
            return 0;
        }
    }
    return -EINVAL;
}

int read_instances(struct reader *reader, const struct field *field, const struct place *place,
                   void *to)
{
    const char *text = text_of(place);

    if (!text || strcmp(text, "max") != 0)
        return read_whole(reader, field, place, to);
    *(int *)to = 0;
    return 0;
}

int read_octal(struct reader *reader, const struct field *field, const struct place *place,
               void *to)
{
    const char *text = text_of(place);
    int mode = 0;

    (void)reader, (void)field;
    if (!text || !consists_of(text, "01234567") || strlen(text) > 4)
        return -EINVAL;
    for (; *text; text++)
        mode = mode * 8 + (*text - '0');
    if (mode > 0777)
        return -EINVAL;
    *(int *)to = mode;
    return 0;
}

int read_id(struct reader *reader, const struct field *field, const struct place *place, void *to)
{
    const char *name = text_of(place);
    char digits[24];
    int64_t number;

    (void)field;
    if (whole_number(place->value, 0, (int64_t)UINT32_MAX - 1, &number) == 0) {
        (void)snprintf(digits, sizeof digits, "%jd", (intmax_t)number);
        return keep_text(reader, digits, to);
    }
    if (name && (!consists_of(name, LETTERS DIGITS "._-") || consists_of(name, DIGITS)))
        return -EINVAL;
    return keep_text(reader, name, to);
}

int scalar_text(const struct reader *reader, const cJSON *value, const char **ret)
{
    OWN(free) char *printed = NULL;
    const char *text = cJSON_GetStringValue(value);

    if (cJSON_IsNumber(value) && !(fabs(value->valuedouble) <= exact_most))
        return -EINVAL;
    if (!text && !cJSON_IsNumber(value) && !cJSON_IsBool(value))
        return -EINVAL;
    if (!text)
        text = printed = cJSON_PrintUnformatted(value);
    if (text)
        text = arena_text(reader->arena, text, strlen(text));
    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}
