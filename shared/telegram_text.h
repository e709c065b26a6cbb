#ifndef OPS_TELEGRAM_TEXT_H
#define OPS_TELEGRAM_TEXT_H
/*
 * How long a message is for Telegram, and how a longer one is divided: pure.
 *
 * The limits of sendMessage (4096) and of captions (1024) count Unicode code points of what is left
 * after parsing: a tag counts nothing, an entity such as &amp; one. (tdlib/td, MessageContent.cpp:
 * utf8_length(text) > message_text_length_max; offsets of entities, which we do not use, are
 * UTF-16.) Markdown is parsed by Telegram alone, so its source is counted whole by the caller.
 */
#include <stdbool.h>
#include <stddef.h>

#include "err.h"

enum { TELEGRAM_TEXT_MAX = 4096, TELEGRAM_CAPTION_MAX = 1024 };

/* Code points that Telegram counts in text, which is UTF-8; html: as HTML mode parses it. */
size_t telegram_text_length(const char *text, bool html);

/* Called with each part in order, n bytes that end with '\0'. A negative errno ends it all. */
typedef int telegram_part(void *context, const char *part, size_t n);

/* Divides html into parts of at most max code points, each of them whole HTML: preferably at the
 * last line end outside of all tags, else at the last line end, else at the last space, else where
 * the part is full; never inside of a tag or an entity. Tags that are open there are closed, and
 * opened again in the next part. The white space at the place is dropped. Returns 0, what part
 * returned, -EINVAL (tags are not nested properly or too deeply) or -ENOMEM. */
int telegram_split(const char *html, size_t max, telegram_part *part, void *context,
                   struct err *reterr);

#endif
