/* What the apps of a manifest say about each other. Names are looked up by bisection: a fleet of
 * thousands with as many dependencies each is still checked at once. */
#include "manifest_depends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "manifest_read.h"
#include "own.h"
#include "text.h"

/* Of a circle so many names are shown: enough to break it, and within PROBLEM_LINE_MAX. */
enum { CIRCLE_SHOWN_MAX = 64 };

bool app_is_in_profile(const struct app *app, const char *profile)
{
    if (!app->profiles[0])
        return true;
    for (texts p = app->profiles; profile && *p; p++)
        if (strcmp(*p, profile) == 0)
            return true;
    return false;
}

/* Whether some profile, or none, has both in the fleet. */
static bool can_meet(const struct app *a, const struct app *b)
{
    if (!a->profiles[0] || !b->profiles[0])
        return true;
    for (texts p = a->profiles; *p; p++)
        if (app_is_in_profile(b, *p))
            return true;
    return false;
}

/* Apps in the order of their names, and these names. */
struct directory {
    const struct app **apps;
    const char **names;
    size_t count;
};

static int by_name(const void *a, const void *b)
{
    const struct app *left = *(const struct app *const *)a;
    const struct app *right = *(const struct app *const *)b;
    int order = strcmp(left->name, right->name);

    /* Both are elements of one array: the one that comes first in the file. */
    return order ? order : (left > right) - (left < right);
}

static int directory_make(struct reader *reader, const struct app *apps, size_t count,
                          struct directory *ret)
{
    struct directory directory = {
        .apps = arena_alloc_array(reader->arena, count, sizeof *directory.apps),
        .names = arena_alloc_array(reader->arena, count, sizeof *directory.names),
    };

    if (!directory.apps || !directory.names)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (apps[i].name)
            directory.apps[directory.count++] = &apps[i];
    qsort(directory.apps, directory.count, sizeof *directory.apps, by_name);
    for (size_t i = 0; i < directory.count; i++)
        directory.names[i] = directory.apps[i]->name;
    *ret = directory;
    return 0;
}

static int name_order(const void *name, const void *app)
{
    return strcmp(name, (*(const struct app *const *)app)->name);
}

static const struct app *directory_find(const struct directory *directory, const char *name)
{
    const struct app **found = bsearch(name, directory->apps, directory->count,
                                       sizeof *directory->apps, name_order);

    return found ? *found : NULL;
}

/* Reports app when an earlier one in the directory has its name. */
static void check_unique(struct reader *reader, const struct directory *directory, size_t at,
                         const struct app *first)
{
    const struct app *app = directory->apps[at], *other;
    struct place list = { .key = "apps" };
    struct place element = { .up = &list, .index = (int)(app - first) };
    struct place place = { .up = &element, .key = "name", .line = app->line };

    while (at > 0 && strcmp(directory->apps[at - 1]->name, app->name) == 0) {
        other = directory->apps[--at];
        if (!can_meet(app, other))
            continue;
        (void)problems_add(reader->problems, &place,
                           "\"%s\" is the name of apps[%d] (line %d), too", app->name,
                           (int)(other - first), other->line);
        return;
    }
}

/* Reports what app depends on and nobody is. */
static void check_known(struct reader *reader, const struct directory *directory,
                        const struct app *app, int index)
{
    struct place list = { .key = "apps" };
    struct place element = { .up = &list, .index = index };
    struct place field = { .up = &element, .key = "depends_on" };
    const char *nearest;

    for (size_t i = 0; i < app->depends_count; i++) {
        const char *name = app->depends_on[i].name;
        struct place place = { .up = &field, .key = name, .line = app->depends_on[i].line };

        if (directory_find(directory, name))
            continue;
        nearest = problems_are_enough(reader->problems)
                      ? NULL
                      : text_nearest(name, directory->names, directory->count);
        if (nearest)
            (void)problems_add(reader->problems, &place, "no such app, did you mean \"%s\"?",
                               nearest);
        else
            (void)problems_add(reader->problems, &place, "no such app");
    }
}

int apps_check_names(struct reader *reader, const struct app *apps, size_t count)
{
    struct directory directory;
    int r = directory_make(reader, apps, count, &directory);

    for (size_t i = 0; r == 0 && i < directory.count; i++)
        check_unique(reader, &directory, i, apps);
    for (size_t i = 0; r == 0 && i < count; i++)
        check_known(reader, &directory, &apps[i], (int)i);
    return r;
}

static int drop_absent(struct reader *reader, const struct directory *directory, struct app *app)
{
    struct dependency *kept;
    size_t count = 0;

    kept = arena_alloc_array(reader->arena, app->depends_count, sizeof *kept);
    if (!kept)
        return -ENOMEM;
    for (size_t i = 0; i < app->depends_count; i++)
        if (directory_find(directory, app->depends_on[i].name))
            kept[count++] = app->depends_on[i];
    app->depends_on = kept;
    app->depends_count = count;
    return 0;
}

/* A walk along dependencies, depth first: an app that is met again on the way down to itself
 * closes a circle. */
struct walk {
    struct reader *reader;
    const struct directory *directory;
    const struct app *first;
    enum { UNSEEN, ON_THE_WAY, DONE } * marks;
};

struct step {
    const struct step *up;
    const struct app *app;
};

static void report_circle(struct walk *walk, const struct step *last, const struct app *start)
{
    const struct step *steps[CIRCLE_SHOWN_MAX], *step = last;
    struct place place = { .key = "depends_on", .line = start->line };
    OWN_BUF struct buf names = { 0 };
    size_t n = 0;

    for (; n < CIRCLE_SHOWN_MAX && step->app != start; step = step->up)
        steps[n++] = step;
    buf_init(&names, PROBLEM_LINE_MAX);
    (void)buf_add_text(&names, start->name);
    if (step->app != start)
        (void)buf_add_text(&names, " -> ...");
    while (n > 0)
        (void)buf_printf(&names, " -> %s", steps[--n]->app->name);
    (void)problems_add(walk->reader->problems, &place, "a cycle: %s -> %s", names.p, start->name);
}

/* As deep as the longest chain of dependencies, at most MANIFEST_APPS_MAX small frames. */
static void visit(struct walk *walk, const struct step *here)
{
    const struct app *app = here->app, *next;

    walk->marks[app - walk->first] = ON_THE_WAY;
    for (size_t i = 0; i < app->depends_count; i++) {
        next = directory_find(walk->directory, app->depends_on[i].name);
        if (walk->marks[next - walk->first] == ON_THE_WAY)
            report_circle(walk, here, next);
        else if (walk->marks[next - walk->first] == UNSEEN)
            visit(walk, &(struct step){ .up = here, .app = next });
    }
    walk->marks[app - walk->first] = DONE;
}

int apps_check_order(struct reader *reader, struct app *apps, size_t count)
{
    struct directory directory;
    struct walk walk = { .reader = reader, .directory = &directory, .first = apps };
    int r = directory_make(reader, apps, count, &directory);

    for (size_t i = 0; r == 0 && i < count; i++)
        r = drop_absent(reader, &directory, &apps[i]);
    if (r < 0)
        return r;
    walk.marks = arena_alloc_array(reader->arena, count, sizeof *walk.marks);
    if (!walk.marks)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        if (apps[i].name && walk.marks[i] == UNSEEN)
            visit(&walk, &(struct step){ .app = &apps[i] });
    return 0;
}

/* Sets *ret to NAME-ENV. */
static int append_env(struct reader *reader, const struct app *app, const char **ret)
{
    struct place place = { .key = "append_env_to_name", .line = app->line };
    OWN(free) char *name = NULL;

    if (asprintf(&name, "%s-%s", app->name, reader->env_name) < 0)
        return -ENOMEM;
    if (!name_is_sane(name))
        return problems_add(reader->problems, &place, "makes the name \"%s\": want " NAME_WANTS,
                            name);
    *ret = arena_text(reader->arena, name, strlen(name));
    return *ret ? 0 : -ENOMEM;
}

/* Gives the dependencies of app the names that their apps will have. */
static int follow_names(struct reader *reader, const struct directory *directory,
                        const char *const *names, const struct app *first, struct app *app)
{
    struct dependency *list;

    list = arena_alloc_array(reader->arena, app->depends_count, sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < app->depends_count; i++) {
        list[i] = app->depends_on[i];
        list[i].name = names[directory_find(directory, list[i].name) - first];
    }
    app->depends_on = list;
    return 0;
}

static int check_appended(struct reader *reader, const struct app *apps, size_t count)
{
    struct directory directory;
    int r = directory_make(reader, apps, count, &directory);

    for (size_t i = 1; r == 0 && i < directory.count; i++) {
        const struct app *app = directory.apps[i], *other = directory.apps[i - 1];
        struct place place = { .key = "append_env_to_name", .line = app->line };

        if (strcmp(app->name, other->name) == 0)
            (void)problems_add(reader->problems, &place,
                               "\"%s\" is the name of the app on line %d, too", app->name,
                               other->line);
    }
    return r;
}

int apps_append_env(struct reader *reader, struct app *apps, size_t count)
{
    struct directory directory;
    const char **names = arena_alloc_array(reader->arena, count, sizeof *names);
    int r = names ? directory_make(reader, apps, count, &directory) : -ENOMEM;
    bool any = false;

    for (size_t i = 0; r != -ENOMEM && i < count; i++) {
        names[i] = apps[i].name;
        if (!reader->env_name || !names[i] || !apps[i].append_env_to_name)
            continue;
        any = true;
        r = append_env(reader, &apps[i], &names[i]);
    }
    if (!any || r == -ENOMEM)
        return r == -ENOMEM ? r : 0;
    for (size_t i = 0; i < count; i++)
        if (follow_names(reader, &directory, names, apps, &apps[i]) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < count; i++)
        apps[i].name = names[i];
    return check_appended(reader, apps, count);
}
