#ifndef OPS_OWN_H
#define OPS_OWN_H
/*
 * Ownership of locals: OWN(free) char *p frees p when its scope ends; TAKE(p) hands it on.
 *
 * Every destructor accepts the empty value (NULL, -1), so an error path is a plain return.
 * gcc documents the attribute under "Common Variable Attributes: cleanup".
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OWN(kind) __attribute__((cleanup(own_##kind)))

/* Gives the pointer to the caller and forgets it here. */
#define TAKE(p)                     \
    __extension__({                 \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })

/* The same for a descriptor. */
static inline int take_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

static inline void own_free(void *p)
{
    free(*(void **)p);
}

static inline void own_close(const int *fd)
{
    if (*fd >= 0)
        (void)close(*fd);
}

static inline void own_file(FILE **file)
{
    if (*file)
        (void)fclose(*file);
}

static inline void own_json(cJSON **json)
{
    cJSON_Delete(*json);
}

#endif
