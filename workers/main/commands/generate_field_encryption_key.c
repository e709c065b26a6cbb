/*
 * generate_field_encryption_key: prints a new key for FIELD_ENCRYPTION_KEY.
 *
 * The key goes to standard output alone, for `>> .env` and the like; nothing is stored.
 */
#include <errno.h>
#include <stdio.h>

#include "fernet.h"
#include "worker.h"

static int generate(struct run *run)
{
    char key[FERNET_KEY_TEXT_MAX];
    int r;

    r = fernet_key_generate(key);
    if (r < 0)
        return run_failed(run, r, "no randomness");
    (void)puts(key);
    return 0;
}

const struct worker worker = {
    .app = "main",
    .name = "generate_field_encryption_key",
    .about = "print a new key for FIELD_ENCRYPTION_KEY",
    .kind = WORKER_COMMAND,
    .run = generate,
};
