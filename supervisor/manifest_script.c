/* `opsctl start SCRIPT -- ARGS` as a manifest of one app. */
#include "manifest_script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "manifest_app.h"
#include "own.h"
#include "text.h"

/* Each is looked for among those before it. */
enum { VARIABLES_MAX = 4096 };

static bool is_known(const cJSON *object, const char *name)
{
    return json_get(object, name) != NULL;
}

/* Returns false when memory ran out. */
static bool put_variables(cJSON *app, texts env)
{
    cJSON *object = cJSON_CreateObject();
    bool good = object != NULL;

    for (; good && env && *env; env++) {
        size_t n = strcspn(*env, "=");
        OWN(free) char *name = strndup(*env, n);

        if (!name)
            good = false;
        else if (n && (*env)[n] && text_is_utf8(*env, strlen(*env)) && !is_known(object, name))
            good = json_put_text(object, name, *env + n + 1);
    }
    return json_put(app, "env", object) && good;
}

static bool put_arguments(cJSON *app, texts args)
{
    cJSON *list = cJSON_CreateArray(), *text;
    bool good = list != NULL;

    for (; good && args && *args; args++) {
        text = cJSON_CreateString(*args);
        good = text && cJSON_AddItemToArray(list, text);
    }
    return json_put(app, "args", list) && good;
}

/* A path of cwd's, when it is a file and not absolute already. */
static bool put_program(cJSON *app, const char *name, const struct script_start *start,
                        const char *program, bool is_file)
{
    OWN(free) char *path = NULL;

    if (!is_file || program[0] == '/')
        return json_put_text(app, name, program);
    return asprintf(&path, "%s/%s", start->cwd, program) >= 0 && json_put_text(app, name, path);
}

static bool put_programs(cJSON *app, const struct script_start *start)
{
    const char *interpreter = start->interpreter;
    bool is_file = interpreter || script_is_file(start->script);

    if (!put_program(app, "script", start, start->script, is_file))
        return false;
    return !interpreter ||
           put_program(app, "interpreter", start, interpreter, strchr(interpreter, '/') != NULL);
}

static int check_texts(const struct script_start *start, struct err *reterr)
{
    const char *const parts[] = { start->script, start->name, start->interpreter, start->cwd };
    size_t count = sizeof parts / sizeof *parts;

    for (size_t i = 0; i < count; i++)
        if (parts[i] && !text_is_utf8(parts[i], strlen(parts[i])))
            return err_set(reterr, -EINVAL, "not UTF-8: %s", parts[i]);
    for (size_t n = 0; start->env && start->env[n]; n++)
        if (n >= VARIABLES_MAX)
            return err_set(reterr, -E2BIG, "more than %d variables", VARIABLES_MAX);
    for (texts arg = start->args; arg && *arg; arg++)
        if (!text_is_utf8(*arg, strlen(*arg)))
            return err_set(reterr, -EINVAL, "an argument is not UTF-8: put it into a script");
    return 0;
}

int manifest_of_script(const struct script_start *start, struct buf *ret, struct err *reterr)
{
    OWN(json) cJSON *app = cJSON_CreateObject();
    OWN(free) char *text = NULL;
    int r = check_texts(start, reterr);

    if (r < 0)
        return r;
    if (!app || !put_programs(app, start) || !json_put_text(app, "cwd", start->cwd) ||
        (start->name && !json_put_text(app, "name", start->name)) ||
        !put_arguments(app, start->args) || !put_variables(app, start->env))
        return err_set(reterr, -ENOMEM, "out of memory");
    text = cJSON_PrintUnformatted(app);
    if (!text)
        return err_set(reterr, -ENOMEM, "out of memory");
    r = buf_add_text(ret, text);
    return r < 0 ? err_set(reterr, r, "too long for a manifest") : 0;
}
