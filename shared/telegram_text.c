/*
 * One scanner sees HTML as Telegram does, as tags, entities and characters; counting and dividing
 * both walk it.
 */
#include "telegram_text.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "buf.h"
#include "text.h"

enum { OPEN_TAGS_MAX = 16, ENTITY_BYTES_MAX = 10, PART_BYTES_MAX = 1 << 20 };

enum token_kind { TOKEN_OPEN, TOKEN_CLOSE, TOKEN_CHARACTER };

struct token {
    enum token_kind kind;
    size_t bytes;
};

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The bytes of "&name;" or "&#123;" at text, or 0: a lone & stands for itself. */
static size_t entity_bytes(const char *text)
{
    size_t n = 1;

    if (text[n] == '#')
        n++;
    while (is_alnum(text[n]) && n < ENTITY_BYTES_MAX)
        n++;
    return n > 1 && text[n] == ';' ? n + 1 : 0;
}

/* The next token of text, which is not at its end. */
static struct token scan(const char *text, bool html)
{
    size_t left = strnlen(text, 4), bytes = 0;
    const char *end;

    if (html && *text == '<' && (end = strchr(text, '>')))
        return (struct token){ text[1] == '/' ? TOKEN_CLOSE : TOKEN_OPEN,
                               (size_t)(end - text) + 1 };
    if (html && *text == '&')
        bytes = entity_bytes(text);
    if (bytes == 0)
        bytes = text_utf8_length(text, left);
    return (struct token){ TOKEN_CHARACTER, bytes ? bytes : 1 };
}

size_t telegram_text_length(const char *text, bool html)
{
    size_t count = 0;

    while (*text) {
        struct token token = scan(text, html);

        count += token.kind == TOKEN_CHARACTER;
        text += token.bytes;
    }
    return count;
}

/* --- dividing --- */

/* Where the scanner is: what was read, and which tags are open there. */
struct place {
    const char *at;
    const char *tags[OPEN_TAGS_MAX]; /* their '<' in the source */
    size_t depth;
};

/* How good a place is to break at; better ones are larger. */
enum worth { WORTH_NOTHING, WORTH_FULL, WORTH_SPACE, WORTH_LINE, WORTH_LINE_OUTSIDE };

static size_t name_bytes(const char *name)
{
    return strcspn(name, " \t\n/>");
}

static int pass_tag(struct place *place, enum token_kind kind, struct err *reterr)
{
    const char *name = place->at + 1, *open;

    if (kind == TOKEN_OPEN && place->depth == OPEN_TAGS_MAX)
        return err_set(reterr, -EINVAL, "more than %d tags inside of each other", OPEN_TAGS_MAX);
    if (kind == TOKEN_OPEN) {
        place->tags[place->depth++] = place->at;
        return 0;
    }
    name++;
    open = place->depth ? place->tags[place->depth - 1] + 1 : "";
    if (name_bytes(open) != name_bytes(name) || strncasecmp(open, name, name_bytes(name)) != 0)
        return err_set(reterr, -EINVAL, "</%.*s> closes no open tag", (int)name_bytes(name), name);
    place->depth--;
    return 0;
}

static enum worth worth_of(const struct place *place)
{
    if (*place->at == '\n')
        return place->depth ? WORTH_LINE : WORTH_LINE_OUTSIDE;
    return *place->at == ' ' ? WORTH_SPACE : WORTH_NOTHING;
}

/* Walks from *place until max characters or the end; ret is where to break. */
static int find_break(struct place place, size_t max, struct place *ret, struct err *reterr)
{
    const char *start = place.at;
    enum worth best = WORTH_NOTHING, worth;
    size_t count = 0;
    int r = 0;

    while (*place.at && r == 0) {
        struct token token = scan(place.at, true);

        worth = worth_of(&place);
        if (token.kind == TOKEN_CHARACTER && count == max && worth == WORTH_NOTHING)
            worth = WORTH_FULL;
        if (worth >= best && worth != WORTH_NOTHING && place.at != start) {
            best = worth;
            *ret = place;
        }
        if (token.kind == TOKEN_CHARACTER && count++ == max)
            return 0;
        if (token.kind != TOKEN_CHARACTER)
            r = pass_tag(&place, token.kind, reterr);
        place.at += token.bytes;
    }
    *ret = place;
    return r;
}

static int add_part(struct buf *part, const struct place *from, const struct place *to)
{
    int r = 0;

    for (size_t i = 0; i < from->depth && r == 0; i++)
        r = buf_add(part, from->tags[i], strcspn(from->tags[i], ">") + 1);
    if (r == 0)
        r = buf_add(part, from->at, (size_t)(to->at - from->at));
    for (size_t i = to->depth; i-- > 0 && r == 0;)
        r = buf_printf(part, "</%.*s>", (int)name_bytes(to->tags[i] + 1), to->tags[i] + 1);
    return r;
}

int telegram_split(const char *html, size_t max, telegram_part *part, void *context,
                   struct err *reterr)
{
    struct place place = { .at = html }, end;
    OWN_BUF struct buf text = { 0 };
    int r = 0;

    assert(max > 0);
    buf_init(&text, PART_BYTES_MAX);
    while (*place.at && r == 0) {
        r = find_break(place, max, &end, reterr);
        if (r < 0)
            return r;
        buf_clear(&text);
        r = add_part(&text, &place, &end);
        if (r < 0)
            return err_set(reterr, r, "out of memory");
        r = part(context, text.p, text.len);
        place = end;
        if (*place.at == ' ' || *place.at == '\n')
            place.at++;
    }
    return r;
}
