/* Who acts by a command: the person behind sudo, else the owner of the process. */
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actor.h"
#include "text.h"

const char *actor_name(char text[static ACTOR_MAX])
{
    const char *name = getuid() == 0 ? getenv("SUDO_USER") : NULL;
    char room[4096];
    struct passwd entry, *found = NULL;

    if ((!name || !*name) && getpwuid_r(getuid(), &entry, room, sizeof room, &found) == 0 && found)
        name = found->pw_name;
    if (name && *name && text_is_utf8(name, strnlen(name, ACTOR_MAX)))
        (void)snprintf(text, ACTOR_MAX, "opsctl %.32s", name);
    else
        (void)snprintf(text, ACTOR_MAX, "opsctl %u", getuid());
    return text;
}
