#ifndef OPS_MANIFEST_TEXT_H
#define OPS_MANIFEST_TEXT_H
/* Manifests written as texts in a test: parsed, and required to be right. Paths are relative to
 * /srv/fleet. */
#include "test.h"

#include <stdio.h>
#include <string.h>

#include "manifest.h"

enum { PROBLEMS_BYTES_MAX = 4 << 20 };

static inline int manifest_of(const char *text, const char *profile, struct manifest *ret,
                              struct buf *problems)
{
    struct manifest_source source = {
        .text = text, .n = strlen(text), .folder = "/srv/fleet", .profile = profile
    };

    buf_init(problems, PROBLEMS_BYTES_MAX);
    return manifest_parse(&source, ret, problems);
}

/* Parses what has to be right; notes are not looked at. */
static inline struct manifest parsed(const char *text, const char *profile)
{
    struct manifest manifest;
    struct buf problems;
    int r = manifest_of(text, profile, &manifest, &problems);

    if (r < 0)
        fail_msg("refused: %s\n%s", text, problems.p);
    buf_done(&problems);
    return manifest;
}

/* The same with --env. */
static inline struct manifest parsed_with_env(const char *text, const char *env_name)
{
    struct manifest_source source = {
        .text = text, .n = strlen(text), .folder = "/srv/fleet", .env_name = env_name
    };
    struct manifest manifest;
    struct buf problems;

    buf_init(&problems, PROBLEMS_BYTES_MAX);
    if (manifest_parse(&source, &manifest, &problems) < 0)
        fail_msg("refused: %s\n%s", text, problems.p);
    buf_done(&problems);
    return manifest;
}

/* One app, whose fields are given, with script "run" unless they name one. */
static inline struct manifest parsed_app(const char *fields)
{
    const char *script = strstr(fields, "\"script\"") ? "" : "\"script\": \"run\", ";
    char text[2048];

    (void)snprintf(text, sizeof text, "{%s\"namespace\": \"n\"%s%s}", script, *fields ? ", " : "",
                   fields);
    return parsed(text, NULL);
}

#endif
