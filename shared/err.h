#ifndef OPS_ERR_H
#define OPS_ERR_H
/*
 * The sentence that goes with an error code.
 *
 * Functions return 0 or a negative errno; those whose failure needs words take a
 * struct err * named reterr, last, and fill it only when they fail. The text names the thing
 * and the remedy, carries no secret and no newline.
 */
enum { ERR_TEXT_MAX = 512 };

struct err {
    char text[ERR_TEXT_MAX];
};

/* Writes the sentence (cut at ERR_TEXT_MAX, between two characters) and returns code, so that a
 * caller can `return err_set(reterr, -EINVAL, ...)`. reterr may be NULL. */
int err_set(struct err *reterr, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
