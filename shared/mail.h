#ifndef OPS_MAIL_H
#define OPS_MAIL_H
/*
 * One plain-text mail over SMTP (RFC 5321, RFC 5322), for alerts.
 *
 * TLS is required and verified (STARTTLS for smtp://, from the start for smtps://), except to a
 * loopback address, where it is used when the server has it. Nothing here logs; the password is in
 * no error text.
 */
#include <stdint.h>

#include "err.h"

struct mail {
    const char *from, *to;      /* plain addresses */
    const char *subject, *text; /* UTF-8; control characters in the subject become spaces */
    int64_t now_ms;
    int64_t id; /* makes the Message-ID, so that a repeated mail can be told */
};

struct mail_server {
    const char *url, *user, *password; /* user "": no login */
};

enum mail_outcome {
    MAIL_SENT,
    MAIL_REFUSED, /* wrong login, 5xx: the same again would fail again */
    MAIL_LATER,   /* no connection, 4xx */
    MAIL_UNKNOWN, /* the connection broke after the text had begun to travel */
};

/* Sends; blocks for MAIL_TIMEOUT_MS at most, so not on a loop. why is filled unless sent. */
enum mail_outcome mail_send(const struct mail_server *server, const struct mail *mail,
                            struct err *why);

/* Connects, logs in, and leaves; blocks as mail_send does. Returns 0 or -EIO. */
int mail_check(const struct mail_server *server, struct err *reterr);

#endif
