/* Environment variables in a manifest: "env", PM2's "env_NAME" over it, and what its "deploy" says
 * below both. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "manifest_read.h"
#include "own.h"

/* The value as PM2 passes it on: lists and objects become JSON. */
static int variable_value(struct reader *reader, const cJSON *value, const char **ret)
{
    OWN(free) char *printed = NULL;

    if (!cJSON_IsArray(value) && !cJSON_IsObject(value))
        return scalar_text(reader, value, ret);
    printed = cJSON_PrintUnformatted(value);
    *ret = printed ? arena_text(reader->arena, printed, strlen(printed)) : NULL;
    return *ret ? 0 : -ENOMEM;
}

/* "NAME=value"; nothing for null. An error never shows the value: it may be a secret. */
static int add_variable(struct reader *reader, const struct place *place, const char **ret)
{
    size_t name = strlen(place->key), n;
    const char *value;
    char *both;
    int r;

    if (!name || strchr(place->key, '='))
        return problems_add(reader->problems, place,
                            "a variable's name cannot be empty or hold an equals sign");
    *ret = NULL;
    if (cJSON_IsNull(place->value))
        return 0;
    r = variable_value(reader, place->value, &value);
    if (r == -EINVAL)
        return problems_add(reader->problems, place,
                            "a number this large is not exact in JSON: put it in quotes");
    if (r < 0)
        return r;
    n = strlen(value);
    both = arena_alloc(reader->arena, name + n + 2);
    if (!both)
        return -ENOMEM;
    memcpy(both, place->key, name);
    both[name] = '=';
    memcpy(both + name + 1, value, n);
    *ret = both;
    return 0;
}

int read_environment(struct reader *reader, const struct field *field, const struct place *place,
                     void *to)
{
    (void)field;
    return cJSON_IsObject(place->value) ? list_children(reader, place, add_variable, to) : -EINVAL;
}

int read_named_environment(struct reader *reader, const struct field *field,
                           const struct place *place, void *to)
{
    bool in_force = reader->env_name && strcmp(place->key + strlen("env_"), reader->env_name) == 0;
    texts other;

    reader->env_found |= in_force;
    return read_environment(reader, field, place, in_force ? to : &other);
}

/* Orders "NAME=value" by its name. */
static int by_name(const void *a, const void *b)
{
    const char *left = *(const char *const *)a, *right = *(const char *const *)b;
    size_t l = strcspn(left, "="), r = strcspn(right, "=");
    int order = memcmp(left, right, l < r ? l : r);

    return order ? order : (l > r) - (l < r);
}

int merge_variables(const struct reader *reader, texts below, texts above, texts *ret)
{
    size_t m = 0, n = 0, count = 0;
    const char **merged, **sorted;

    while (below[m])
        m++;
    while (above[n])
        n++;
    if (!m || !n) {
        *ret = m ? below : above;
        return 0;
    }
    merged = arena_alloc_array(reader->arena, m + n + 1, sizeof *merged);
    sorted = arena_alloc_array(reader->arena, n, sizeof *sorted);
    if (!merged || !sorted)
        return -ENOMEM;
    memcpy(sorted, above, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_name);
    for (size_t i = 0; i < m; i++)
        if (!bsearch(&below[i], sorted, n, sizeof *sorted, by_name))
            merged[count++] = below[i];
    memcpy(merged + count, above, n * sizeof *merged);
    *ret = merged;
    return 0;
}

int read_deploy_environment(struct reader *reader, const struct place *deploy)
{
    struct place named = { .up = deploy, .key = reader->env_name };
    struct place env = { .up = &named, .key = "env" };

    if (!reader->env_name)
        return 0;
    named.value = json_get(deploy->value, reader->env_name);
    env.value = named.value ? json_get(named.value, "env") : NULL;
    return cJSON_IsObject(env.value) ? read_environment(reader, NULL, &env, &reader->deploy_env)
                                     : 0;
}
