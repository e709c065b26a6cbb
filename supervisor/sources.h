#ifndef OPS_SOURCES_H
#define OPS_SOURCES_H
/*
 * Where the fleet's apps come from: the manifest, further ones that were started by hand
 * (`start FILE.json`, `start SCRIPT`), and what people changed since (`delete`, `scale`,
 * `--update-env`).
 *
 * All of it is kept in the home as it was read: the files may be changed or broken since, and a
 * fleet that outlived opsd goes on as it was.
 */
#include <cjson/cJSON.h>
#include <stdbool.h>

#include "home.h"
#include "manifest_file.h"

/* One reading of a manifest; it lives as long as an instance comes from it. */
struct generation {
    int references;
    int64_t reading; /* tells it from other readings, also after a crash of opsd; never 0 */
    struct manifest manifest;
};

/* One more reference, which generation_unref gives back. Returns generation. */
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);

struct fleet_source {
    struct fleet_source *next;
    char *path;  /* absolute; NULL: a script that was started by hand */
    cJSON *only; /* the names that were asked for; NULL: all */
    struct manifest_text text;
    struct generation *generation; /* NULL: not parsed */
    char *notes;                   /* of that parsing, one a line; NULL: none */
};

struct sources {
    struct fleet_source *first; /* a name in several of them means the last */
    struct fleet_source *past;  /* earlier readings, of which instances still are */
    cJSON *deleted;             /* name: true */
    cJSON *scales;              /* name: how many instances */
    cJSON *environments;        /* name: ["NAME=value"], of --update-env */
    bool changed;               /* since it was written */
    bool prune;                 /* a past reading may be of no use any more */
};

/* A source without text. The path is copied, only taken. NULL when memory ran out. */
struct fleet_source *source_new(const char *path, cJSON *only);
void source_free(struct fleet_source *source);

/* Frees a source and all that are linked behind it. */
void sources_free_list(struct fleet_source *first);

/* Makes source->generation of its text. Returns as manifest_text_parse. */
int source_parse(struct fleet_source *source, struct buf *problems);

/* Reads the file and parses it. Returns 0, or a negative errno with what is wrong in problems; the
 * source is as it was then. */
int source_read(struct fleet_source *source, struct buf *problems);

/* Whether the file says anything else by now: 1, or 0 with the notes of when it was parsed in
 * problems; or a negative errno with what is wrong. */
int source_has_news(const struct fleet_source *source, struct buf *problems);

/* The app of that name, if it was asked for; NULL: there is none. */
const struct app *source_find(const struct fleet_source *source, const char *name);

/* Takes source: in the place of one with the same path, which is past then, or else as the last; of
 * scripts the app's name tells which is the same. */
void sources_put(struct sources *sources, struct fleet_source *source);

/* The source whose app of that name holds: the last of them; NULL: there is none. */
struct fleet_source *sources_of(const struct sources *sources, const char *name);

/* The app of that name that holds, and where it comes from; NULL: there is none. */
const struct app *sources_find(const struct sources *sources, const char *name,
                               struct generation **ret);

/* True when that very app is the one that holds for its name, and is not deleted. */
bool sources_hold(const struct sources *sources, const struct fleet_source *source,
                  const struct app *app);

/* How many instances the app has: as scaled, or as the manifest says, on this machine. */
int sources_instances(const struct sources *sources, const struct app *app);

/* Keep them, read them again (unparsed), and with them which manifest is the home's: its file may
 * be gone for the moment, and home->manifest NULL. Return 0 or a negative errno, with all as it
 * was. */
int sources_write(const struct sources *sources, const struct home *home);
int sources_load(struct sources *sources, struct home *home);

void sources_done(struct sources *sources);

#endif
