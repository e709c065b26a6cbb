#ifndef OPS_FLEET_WORLD_H
#define OPS_FLEET_WORLD_H
/*
 * A whole fleet by its manifests, in a home of its own, without a process: the loop never turns.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "fleet.h"
#include "fleet_load.h"
#include "json.h"

enum { PROBLEMS_MAX = 1 << 20 };

struct world {
    char root[64], manifest[96], other[96];
    struct home home;
    uv_loop_t loop;
    struct fleet fleet;
    struct buf problems;
};

#define APP(name, fields) "{\"name\":\"" name "\",\"script\":\"./run\"" fields "}"

static inline int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

static inline int open_fleet(struct world *world)
{
    struct err why;

    world->home = (struct home){ .path = world->root, .manifest = world->manifest };
    world->home.fd = open(world->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (uv_loop_init(&world->loop) < 0 ||
        fleet_init(&world->fleet, &world->loop, &world->home, &why) < 0)
        return -1;
    world->fleet.recovered = true;
    return 0;
}

static inline int set_up(void **state)
{
    struct world *world = calloc(1, sizeof *world);

    *state = world;
    (void)unsetenv("OPS_PROFILE");
    if (!world)
        return -1;
    (void)snprintf(world->root, sizeof world->root, "/tmp/test_fleet.XXXXXX");
    if (!mkdtemp(world->root))
        return -1;
    (void)snprintf(world->manifest, sizeof world->manifest, "%s/ecosystem.json", world->root);
    (void)snprintf(world->other, sizeof world->other, "%s/other.json", world->root);
    buf_init(&world->problems, PROBLEMS_MAX);
    return open_fleet(world);
}

static inline void close_fleet(struct world *world)
{
    while (world->fleet.count)
        fleet_remove(&world->fleet, world->fleet.instances[0]);
    fleet_close(&world->fleet);
    while (uv_run(&world->loop, UV_RUN_NOWAIT))
        ;
    assert_int_equal(uv_loop_close(&world->loop), 0);
    (void)close(world->home.fd);
}

static inline int tear_down(void **state)
{
    struct world *world = *state;

    close_fleet(world);
    buf_done(&world->problems);
    (void)nftw(world->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(world);
    return 0;
}

static inline void write_file(const char *path, const char *text)
{
    assert_int_equal(file_replace(path, text, strlen(text), 0600), 0);
}

/* The manifest says this now, and is read. */
static inline void load(struct world *world, const char *text)
{
    write_file(world->manifest, text);
    if (fleet_load_files(&world->fleet, &world->problems) < 0)
        fail_msg("%s", world->problems.p);
}

static inline void add_other(struct world *world, const char *text, const char *only)
{
    cJSON *names = NULL;
    struct fleet_source *source;

    if (only)
        assert_int_equal(json_parse(only, strlen(only), &names, NULL), 0);
    write_file(world->other, text);
    source = source_new(world->other, names);
    assert_non_null(source);
    assert_int_equal(fleet_add_source(&world->fleet, source, NULL, &world->problems), 0);
}

/* "a:0 a:1 b:0": what there is, in order, without what is about to go. */
static inline void assert_fleet(const struct world *world, const char *want)
{
    char text[512] = "";
    size_t n = 0;

    for (size_t k = 0; k < world->fleet.count; k++) {
        const struct instance *i = world->fleet.instances[k];

        if (instance_is_member(i))
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%d", n ? " " : "", i->app->name,
                                  i->number);
    }
    assert_string_equal(text, want);
}

#endif
