/*
 * Lines that workers printed. JSON cannot carry every byte, so a line that is not UTF-8 comes as
 * base64 (RFC 4648, section 4) and is turned back here.
 */
#include "opsctl_output.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "json.h"
#include "opsctl_client.h"
#include "opsctl_display.h"

/* The value of a base64 digit, or -1. */
static int digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* Four digits, the last one or two perhaps '=', make three bytes or fewer. */
static int decode_group(const char *text, struct buf *to)
{
    size_t bytes = text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1;
    uint32_t bits = 0;
    char out[3];
    int value;

    for (size_t i = 0; i < 4; i++) {
        value = i <= bytes ? digit(text[i]) : 0;
        if (value < 0)
            return -EPROTO;
        bits = bits << 6 | (uint32_t)value;
    }
    for (size_t i = 0; i < 3; i++)
        out[i] = (char)(bits >> (16 - 8 * i));
    return buf_add(to, out, bytes);
}

static int decode(const char *text, struct buf *to)
{
    size_t n = strlen(text);
    int r = n % 4 ? -EPROTO : 0;

    for (size_t i = 0; i < n && r == 0; i += 4)
        r = text[i + 3] == '=' && i + 4 < n ? -EPROTO : decode_group(text + i, to);
    return r;
}

int output_read(const cJSON *params, struct buf *line)
{
    const char *text = json_get_text(params, "line"), *base64 = json_get_text(params, "base64");

    buf_clear(line);
    if (text)
        return buf_add_text(line, text);
    return base64 ? decode(base64, line) : -EPROTO;
}

int output_print(FILE *to, const struct buf *line, bool raw)
{
    OWN_BUF struct buf safe = { 0 };
    int r;

    if (raw) {
        (void)fwrite(line->len ? line->p : "", 1, line->len, to);
        (void)fputc('\n', to);
        return 0;
    }
    buf_init(&safe, CLIENT_LINE_MAX);
    r = line->len ? display_add(&safe, line->p, line->len, DISPLAY_LINE) : 0;
    if (r == 0)
        (void)fprintf(to, "%s\n", safe.len ? safe.p : "");
    return r;
}

bool output_is_err(const cJSON *params)
{
    const char *stream = json_get_text(params, "stream");

    return stream && strcmp(stream, "err") == 0;
}

/* Being called is enough: it ends ppoll(2). */
static void interrupted(int number)
{
    (void)number;
}

void output_catch_interrupts(void)
{
    static const int numbers[] = { SIGINT, SIGTERM };
    struct sigaction action = { .sa_handler = interrupted, .sa_flags = (int)SA_RESETHAND }, old;
    sigset_t blocked;

    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (sigaction(numbers[i], NULL, &old) < 0 || old.sa_handler == SIG_IGN)
            continue;
        (void)sigaction(numbers[i], &action, NULL);
        (void)sigaddset(&blocked, numbers[i]);
    }
    /* Only client_next lets them in, so that none is missed between two waits. */
    (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
}
