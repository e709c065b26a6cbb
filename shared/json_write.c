/* JSON as text, written from front to back. */
#include "json_write.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "own.h"
#include "text.h"

void json_write_init(struct json_writer *w, size_t bytes_max)
{
    *w = (struct json_writer){ 0 };
    buf_init(&w->text, bytes_max);
}

void json_write_done(struct json_writer *w)
{
    buf_done(&w->text);
}

static void add(struct json_writer *w, const char *bytes, size_t n)
{
    if (!w->error)
        w->error = buf_add(&w->text, bytes, n);
}

static void add_text(struct json_writer *w, const char *text)
{
    add(w, text, strlen(text));
}

/* The comma after what stands before, unless that is the bracket; as one piece, since most values
 * are shorter than what stands before them. */
static void begin(struct json_writer *w, const char *name)
{
    char last = w->text.len ? w->text.p[w->text.len - 1] : '[';
    size_t n = name ? strlen(name) : 0;
    char *room = w->error ? NULL : buf_room(&w->text, n + sizeof ",\"\":" - 1), *to = room;

    if (!room) {
        w->error = w->error ? w->error : -EMSGSIZE;
        return;
    }
    if (last != '{' && last != '[')
        *to++ = ',';
    if (name) {
        *to++ = '"';
        to = mempcpy(to, name, n);
        *to++ = '"';
        *to++ = ':';
    }
    buf_grew(&w->text, (size_t)(to - room));
}

void json_write_open(struct json_writer *w, const char *name, char open)
{
    begin(w, name);
    add(w, &open, 1);
}

void json_write_close(struct json_writer *w, char close)
{
    add(w, &close, 1);
}

/* RFC 8259, section 7. */
static void add_escaped(struct json_writer *w, char c)
{
    static const char letters[] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    char escaped[8] = { '\\', letters[(unsigned char)c] };

    if (!escaped[1])
        (void)snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)c);
    add_text(w, escaped);
}

static size_t plain_length(const char *text)
{
    size_t n = 0;

    while ((unsigned char)text[n] >= ' ' && (unsigned char)text[n] < 0x80 && text[n] != '"' &&
           text[n] != '\\')
        n++;
    return n;
}

void json_write_text(struct json_writer *w, const char *name, const char *text_or_null)
{
    const char *text = text_or_null;
    size_t n;

    if (!text) {
        json_write_null(w, name);
        return;
    }
    begin(w, name);
    add(w, "\"", 1);
    while (*text && !w->error) {
        n = plain_length(text);
        add(w, text, n);
        text += n;
        if (!*text)
            break;
        n = text_utf8_length(text, strlen(text));
        if (n > 1)
            add(w, text, n);
        else if (n)
            add_escaped(w, *text);
        else
            add_text(w, "\xef\xbf\xbd");
        text += n ? n : 1;
    }
    add(w, "\"", 1);
}

void json_write_int(struct json_writer *w, const char *name, int64_t value)
{
    char text[TEXT_INT_MAX];

    begin(w, name);
    add(w, text, (size_t)(text_put_int(text, value) - text));
}

void json_write_tenths(struct json_writer *w, const char *name, uint64_t tenths)
{
    char fraction[] = { '.', (char)('0' + tenths % 10) };

    json_write_int(w, name, (int64_t)(tenths / 10));
    if (tenths % 10)
        add(w, fraction, sizeof fraction);
}

void json_write_bool(struct json_writer *w, const char *name, bool value)
{
    if (w->sparse && name && !value)
        return;
    begin(w, name);
    add_text(w, value ? "true" : "false");
}

void json_write_null(struct json_writer *w, const char *name)
{
    if (w->sparse && name)
        return;
    begin(w, name);
    add_text(w, "null");
}

void json_write_item(struct json_writer *w, const char *name, const cJSON *item)
{
    OWN(free) char *text = item ? cJSON_PrintUnformatted(item) : NULL;

    if (!text && !w->error)
        w->error = -ENOMEM;
    begin(w, name);
    if (text)
        add_text(w, text);
}

cJSON *json_write_take(struct json_writer *w)
{
    cJSON *item = w->error || !w->text.len ? NULL : cJSON_CreateRaw(w->text.p);

    buf_done(&w->text);
    return item;
}
