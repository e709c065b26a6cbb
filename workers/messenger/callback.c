/* callback_data, written and read. */
#include "callback.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "text.h"

static const char version[] = "2";

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-_.~", c));
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *found = c ? strchr(digits, c >= 'a' && c <= 'f' ? c - 'a' + 'A' : c) : NULL;

    return found ? (int)(found - digits) : -1;
}

/* In place; what comes out is never longer. Control characters have no business here. */
static int decode(char *part)
{
    char *to = part;

    for (const char *from = part; *from; from++) {
        char c = *from;

        if (c == '%') {
            int high = hex_digit(from[1]), low = high < 0 ? -1 : hex_digit(from[2]);

            if (low < 0)
                return -EINVAL;
            c = (char)(high * 16 + low);
            from += 2;
        } else if (!is_plain(c)) {
            return -EINVAL;
        }
        if ((unsigned char)c < ' ' || c == 0x7f)
            return -EINVAL;
        *to++ = c;
    }
    *to = '\0';
    return text_is_utf8(part, (size_t)(to - part)) ? 0 : -EINVAL;
}

/* Returns how many parts, or -EINVAL when there are more than most. */
static int divide(char *text, char separator, char **parts, int most)
{
    int n = 0;

    for (char *next = text; next; n++) {
        if (n == most)
            return -EINVAL;
        parts[n] = next;
        next = strchr(next, separator);
        if (next)
            *next++ = '\0';
    }
    return n;
}

int callback_read(const char *data, struct callback *ret)
{
    enum { APP, VERSION, REPLY, FIRST_ARG };
    char *parts[FIRST_ARG + CALLBACK_ARGS_MAX];
    int n;

    if (strlen(data) > CALLBACK_BYTES_MAX)
        return -EINVAL;
    (void)snprintf(ret->text, sizeof ret->text, "%s", data);
    n = divide(ret->text, '&', parts, FIRST_ARG + CALLBACK_ARGS_MAX);
    if (n < FIRST_ARG)
        return -EINVAL;
    for (int i = 0; i < n; i++)
        if (decode(parts[i]) < 0)
            return -EINVAL;
    if (strcmp(parts[VERSION], version) != 0)
        return -EINVAL;
    ret->app = parts[APP];
    ret->reply = parts[REPLY];
    ret->argc = n - FIRST_ARG;
    for (int i = 0; i < ret->argc; i++)
        ret->args[i] = parts[FIRST_ARG + i];
    ret->args[ret->argc] = NULL;
    return 0;
}

int callback_divide(const char *text, char separator, struct callback *ret)
{
    char *parts[CALLBACK_ARGS_MAX];
    int n;

    *ret = (struct callback){ 0 };
    if (strlen(text) > CALLBACK_BYTES_MAX)
        return -EINVAL;
    if (!*text)
        return 0;
    (void)snprintf(ret->text, sizeof ret->text, "%s", text);
    n = divide(ret->text, separator, parts, CALLBACK_ARGS_MAX);
    if (n < 0)
        return n;
    for (int i = 0; i < n; i++)
        ret->args[i] = parts[i];
    ret->argc = n;
    return 0;
}

void callback_copy(const struct callback *from, struct callback *ret)
{
    *ret = (struct callback){ .argc = from->argc };
    memcpy(ret->text, from->text, sizeof ret->text);
    for (int i = 0; i < from->argc; i++)
        ret->args[i] = ret->text + (from->args[i] - from->text);
}

/* Adds a separator, unless it is the first part, and the part. Returns the new length. */
static size_t encode(const char *part, size_t length, char to[static CALLBACK_BYTES_MAX + 1])
{
    if (length && length < CALLBACK_BYTES_MAX)
        to[length] = '&';
    length += length > 0;
    for (; *part && length <= CALLBACK_BYTES_MAX; part++) {
        char code[4] = { *part, '\0' };
        size_t n;

        if (!is_plain(*part))
            (void)snprintf(code, sizeof code, "%%%02X", (unsigned char)*part);
        n = strlen(code);
        if (length + n <= CALLBACK_BYTES_MAX)
            memcpy(to + length, code, n);
        length += n;
    }
    return length;
}

int callback_print(const char *app, const char *reply, const char *const *args,
                   char ret[static CALLBACK_BYTES_MAX + 1])
{
    size_t length = encode(app, 0, ret);

    length = encode(version, length, ret);
    length = encode(reply, length, ret);
    for (; *args; args++)
        length = encode(*args, length, ret);
    if (length > CALLBACK_BYTES_MAX)
        return -EMSGSIZE;
    ret[length] = '\0';
    return 0;
}
