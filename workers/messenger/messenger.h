#ifndef OPS_MESSENGER_H
#define OPS_MESSENGER_H
/* What the workers of messenger share. */
#include "queue.h"

/* Begins a send-email job: payload {subject, text, to?}, from SMTP_FROM to ALERT_EMAIL or to, on
 * the mail server of SMTP_URL. The loop goes on meanwhile. */
void email_start(struct job *job, uv_loop_t *loop);

/* Gives back what no thread has begun to send: it would be begun after the end. */
void email_stop(void);

/* No outcome is told any more for what is under way. */
void email_close(void);

#define EMAIL_NEEDS "SMTP_USER", "SMTP_PASSWORD", "SMTP_FROM", "ALERT_EMAIL"

#endif
