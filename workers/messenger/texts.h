#ifndef OPS_TEXTS_H
#define OPS_TEXTS_H
/*
 * Texts to customers: marked where they are written, said in the words of a translation set.
 *
 *     talk_say(talk, _("Hello, {{name}}!"), FIELDS("name", name));
 *
 * A text is HTML; values of {{name}} are escaped. It is found by its normal form, the one that
 * make_translations stores and messenger.text_key (050-messenger.sql) makes: on one line, a line
 * end being the two characters \n. What has no translation is said as it is written.
 */
#include <stdbool.h>

#include "buf.h"
#include "db.h"

/* Marks a text, which must be a literal, for scripts/texts2h.awk. */
#define _(text) (text)

/* Names and values by turns, for text_fill. */
#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct texts;

/* rows are name, from_text, to_text. Returns 0 or -ENOMEM; texts_free accepts NULL. */
int texts_load(const struct rows *rows, struct texts **ret);
void texts_free(struct texts *texts);

/* The words of the set (NULL: none) for text, or text. Lives as long as both. */
const char *texts_find(const struct texts *texts, const char *set, const char *text);

/* Adds the normal form of text. Returns 0, -EMSGSIZE or -ENOMEM. */
int text_add_key(struct buf *to, const char *text);

/* Adds text with each {{name}} replaced by its value, escaped when html; an unknown name by
 * nothing. fields may be NULL. Returns 0, -EMSGSIZE or -ENOMEM. */
int text_fill(struct buf *to, const char *text, const char *const *fields, bool html);

/* The first {{name}} of one text that the other lacks; n is its length. NULL: none. */
const char *text_strange_field(const char *text, const char *other, size_t *ret_n);

#endif
