/* Strict JSON on top of cJSON. */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "own.h"
#include "text.h"

/* Deepest nesting of brackets outside of strings, found before cJSON recurses into them. */
static int depth_of(const char *text, size_t n)
{
    int depth = 0, deepest = 0;
    bool in_string = false;

    for (size_t i = 0; i < n; i++) {
        if (in_string) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                in_string = false;
        } else if (text[i] == '"') {
            in_string = true;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth > deepest)
                deepest = depth;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return deepest;
}

enum { MEMBERS_FEW = 64 };

/* FNV-1a: equal texts have equal ones. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261U;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* Nearly every object has few members, and an answer of ours thousands of such objects: comparing
 * numbers is many times as fast as sorting names. */
static void each_repeated_of_few(const cJSON *object, json_repeated *each, void *context)
{
    uint32_t hashes[MEMBERS_FEW];
    const cJSON *member, *before, *last;
    size_t n = 0;

    cJSON_ArrayForEach(member, object)
    {
        hashes[n] = hash_of(member->string);
        before = object->child;
        last = NULL;
        for (size_t i = 0; i < n; i++, before = before->next)
            if (hashes[i] == hashes[n] && strcmp(before->string, member->string) == 0)
                last = before;
        if (last)
            each(context, last, member);
        n++;
    }
}

struct placed {
    const cJSON *member;
    size_t place;
};

static int by_name_and_place(const void *a, const void *b)
{
    const struct placed *left = a, *right = b;
    int order = strcmp(left->member->string, right->member->string);

    return order ? order : left->place < right->place ? -1 : 1;
}

/* Sorted, so that a hostile object of a million keys does not cost a million squared comparisons.
 */
static int each_repeated_of_many(const cJSON *object, size_t n, json_repeated *each, void *context)
{
    OWN(free) struct placed *members = calloc(n, sizeof *members);
    const cJSON *member;
    size_t i = 0;

    if (!members)
        return -ENOMEM;
    cJSON_ArrayForEach(member, object)
    {
        members[i] = (struct placed){ member, i };
        i++;
    }
    qsort(members, n, sizeof *members, by_name_and_place);
    for (i = 1; i < n; i++)
        if (strcmp(members[i - 1].member->string, members[i].member->string) == 0)
            each(context, members[i - 1].member, members[i].member);
    return 0;
}

int json_each_repeated(const cJSON *object, json_repeated *each, void *context)
{
    size_t n = (size_t)cJSON_GetArraySize(object);

    if (n > MEMBERS_FEW)
        return each_repeated_of_many(object, n, each, context);
    each_repeated_of_few(object, each, context);
    return 0;
}

static void note_repeated(void *context, const cJSON *before, const cJSON *again)
{
    const char **ret = context;

    (void)before;
    *ret = again->string;
}

/* A key that one object holds twice, or NULL. */
static int find_repeated(const cJSON *item, const char **ret)
{
    const cJSON *child;
    int r = cJSON_IsObject(item) ? json_each_repeated(item, note_repeated, (void *)ret) : 0;

    cJSON_ArrayForEach(child, item)
    {
        if (r < 0 || *ret)
            break;
        r = find_repeated(child, ret);
    }
    return r;
}

int json_parse(const char *text, size_t n, cJSON **ret, struct err *reterr)
{
    OWN(json) cJSON *json = NULL;
    const char *end = NULL, *repeated = NULL;
    int r;

    if (!text_is_utf8(text, n))
        return err_set(reterr, -EINVAL, "not UTF-8");
    if (strlen(text) != n)
        return err_set(reterr, -EINVAL, "a NUL byte in it");
    if (depth_of(text, n) > JSON_DEPTH_MAX)
        return err_set(reterr, -EMSGSIZE, "nested deeper than %d", JSON_DEPTH_MAX);
    json = cJSON_ParseWithLengthOpts(text, n + 1, &end, 1);
    if (!json)
        return err_set(reterr, -EINVAL, "not valid JSON at byte %zu of %zu",
                       end ? (size_t)(end - text) : 0, n);
    r = find_repeated(json, &repeated);
    if (r < 0)
        return err_set(reterr, r, "out of memory");
    if (repeated)
        return err_set(reterr, -EINVAL, "\"%s\" is given twice", repeated);
    *ret = TAKE(json);
    return 0;
}

/* A backslash stands only inside of strings, where it and what follows belong together. */
size_t json_strip_nul(char *text, size_t n)
{
    static const char nul[] = "\\u0000";
    size_t to = 0, taken;

    for (size_t from = 0; from < n; from += taken) {
        const char *at = text + from;

        if (strncmp(at, nul, sizeof nul - 1) == 0) {
            taken = sizeof nul - 1;
            continue;
        }
        taken = *at == '\\' ? 2 : 1;
        memmove(text + to, at, taken);
        to += taken;
    }
    text[to] = '\0';
    return to;
}

const cJSON *json_get(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_get_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_get(object, name));
}

bool json_get_bool(const cJSON *object, const char *name)
{
    return cJSON_IsTrue(json_get(object, name));
}

int json_id(const cJSON *item, int64_t *ret)
{
    const double exact_most = 9007199254740992.0; /* 2^53 */

    if (cJSON_IsString(item))
        return text_to_int(item->valuestring, INT64_MIN, INT64_MAX, ret) < 0 ? -EINVAL : 0;
    if (!cJSON_IsNumber(item))
        return -ENOENT;
    if (fabs(item->valuedouble) > exact_most || trunc(item->valuedouble) != item->valuedouble)
        return -EINVAL;
    *ret = (int64_t)item->valuedouble;
    return 0;
}

int json_get_id(const cJSON *object, const char *name, int64_t *ret)
{
    return json_id(json_get(object, name), ret);
}

const char *json_path_text(const cJSON *object, const char *path)
{
    const char *dot;
    char name[64];
    size_t n;

    while ((dot = strchr(path, '.'))) {
        n = (size_t)(dot - path);
        if (n >= sizeof name)
            return NULL;
        memcpy(name, path, n);
        name[n] = '\0';
        object = json_get(object, name);
        path = dot + 1;
    }
    return json_get_text(object, path);
}

bool json_put(cJSON *object, const char *name, cJSON *member)
{
    if (!member)
        return false;
    if (cJSON_AddItemToObject(object, name, member))
        return true;
    cJSON_Delete(member);
    return false;
}

bool json_put_text(cJSON *object, const char *name, const char *text_or_null)
{
    size_t n = text_or_null ? strlen(text_or_null) : 0;

    if (!text_or_null)
        return json_put_null(object, name);
    return json_put(object, name,
                    text_is_utf8(text_or_null, n) ? cJSON_CreateString(text_or_null)
                                                  : json_lossy_text(text_or_null, n));
}

bool json_put_int(cJSON *object, const char *name, int64_t value)
{
    return json_put(object, name, cJSON_CreateNumber((double)value));
}

bool json_put_bool(cJSON *object, const char *name, bool value)
{
    return json_put(object, name, cJSON_CreateBool(value));
}

bool json_put_null(cJSON *object, const char *name)
{
    return json_put(object, name, cJSON_CreateNull());
}

cJSON *json_lossy_text(const char *bytes, size_t n)
{
    static const char replacement[] = "\xef\xbf\xbd";
    OWN_BUF struct buf text = { 0 };
    size_t length;
    int r = 0;

    buf_init(&text, 3 * n);
    for (size_t i = 0; i < n && r == 0; i += length) {
        length = text_utf8_length(bytes + i, n - i);
        if (length && bytes[i]) {
            r = buf_add(&text, bytes + i, length);
        } else {
            length = 1;
            r = buf_add(&text, replacement, sizeof replacement - 1);
        }
    }
    return r < 0 ? NULL : cJSON_CreateString(text.p ? text.p : "");
}
