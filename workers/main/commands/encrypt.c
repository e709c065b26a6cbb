/*
 * encrypt: a text from standard input as the columns NAME_encrypted hold it.
 *
 * The text is a secret, so it is no argument, which others could see. The end of its line does not
 * belong to it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fernet.h"
#include "instant.h"
#include "limits.h"
#include "own.h"
#include "worker.h"

/* Returns how many bytes, or a negative errno. */
static ssize_t read_text(char *text, size_t size)
{
    size_t n;

    if (isatty(STDIN_FILENO))
        (void)fputs("text to encrypt, then Ctrl-D on an empty line: ", stderr);
    n = fread(text, 1, size, stdin);
    if (ferror(stdin))
        return -EIO;
    if (n && text[n - 1] == '\n')
        n--;
    return (ssize_t)n;
}

static int encrypt(struct run *run)
{
    enum { SIZE = FERNET_BYTES_MAX + 2 };
    OWN(free) char *text = malloc(SIZE), *token = NULL;
    struct fernet keys;
    ssize_t n;
    int r;

    if (!text)
        return run_failed(run, -ENOMEM, "out of memory");
    n = read_text(text, SIZE);
    if (n < 0)
        return run_failed(run, (int)n, "cannot read standard input");
    if (n == 0)
        return run_failed(run, -EDOM, "want the text on standard input");
    r = fernet_keys_parse(setting_text("FIELD_ENCRYPTION_KEY"), &keys);
    if (r == 0)
        r = fernet_encrypt(&keys, text, (size_t)n, run->now_ms / 1000, &token);
    explicit_bzero(text, SIZE);
    explicit_bzero(&keys, sizeof keys);
    if (r < 0)
        return run_failed(run, r, r == -EMSGSIZE ? "the text is too long" : strerror(-r));
    (void)puts(token);
    return 0;
}

const struct worker worker = {
    .app = "main",
    .name = "encrypt",
    .about = "encrypt a text from standard input, for tgadmin.settings and coffee.users",
    .kind = WORKER_COMMAND,
    .needs = WORKER_NEEDS("FIELD_ENCRYPTION_KEY"),
    .run = encrypt,
};
