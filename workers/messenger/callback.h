#ifndef OPS_CALLBACK_H
#define OPS_CALLBACK_H
/*
 * What a button carries: app&2&Reply&arg1&arg2, each part encoded as in a URL, 64 bytes at most
 * (Bot API, InlineKeyboardButton.callback_data). Pure.
 *
 * It comes back from a client that may be anybody's, or from a message as old as the bot, so it is
 * read strictly; the 2 is the version of this form.
 */
#include <stddef.h>

enum { CALLBACK_BYTES_MAX = 64, CALLBACK_ARGS_MAX = 4 };

struct callback {
    char text[CALLBACK_BYTES_MAX + 1]; /* what the pointers point to */
    const char *app, *reply;
    const char *args[CALLBACK_ARGS_MAX + 1]; /* end with NULL */
    int argc;
};

/* Returns 0 or -EINVAL. */
int callback_read(const char *data, struct callback *ret);

/* args end with NULL. Returns 0, or -EMSGSIZE when it does not fit. */
int callback_print(const char *app, const char *reply, const char *const *args,
                   char ret[static CALLBACK_BYTES_MAX + 1]);

/* Divides text, which has at most CALLBACK_BYTES_MAX bytes, at each separator into args, without
 * decoding. Returns 0 or -EINVAL. */
int callback_divide(const char *text, char separator, struct callback *ret);

/* The same parts, with pointers of its own. */
void callback_copy(const struct callback *from, struct callback *ret);

#endif
