/*
 * send-email: libcurl's SMTP blocks, so each mail is sent on a thread of libuv's pool, and only its
 * outcome comes back to the loop.
 */
#include <errno.h>
#include <stdlib.h>

#include "instant.h"
#include "mail.h"
#include "messenger.h"
#include "telegram_payload.h"

struct sending {
    uv_work_t work;
    struct job *job;
    struct mail_server server;
    struct mail mail;
    enum mail_outcome outcome;
    struct err why;
};

static bool closed;

/* On a thread of the pool; settings and payload do not change. */
static void send_mail(uv_work_t *work)
{
    struct sending *sending = work->data;

    sending->outcome = mail_send(&sending->server, &sending->mail, &sending->why);
}

static void sent(uv_work_t *work, int status)
{
    struct sending *sending = work->data;

    (void)status;
    if (closed) {
        free(sending);
        return;
    }
    switch (sending->outcome) {
    case MAIL_SENT:
        job_done(sending->job, NULL);
        break;
    case MAIL_REFUSED:
        job_dead(sending->job, sending->why.text);
        break;
    case MAIL_LATER:
        job_retry(sending->job, sending->why.text);
        break;
    case MAIL_UNKNOWN:
        job_unknown(sending->job, sending->why.text);
        break;
    }
    free(sending);
}

static int read_mail(const struct job *job, struct mail *ret, struct err *reterr)
{
    int r;

    *ret = (struct mail){ .from = setting_text("SMTP_FROM"),
                          .to = setting_text("ALERT_EMAIL"),
                          .subject = "alert",
                          .text = "",
                          .now_ms = instant_now(),
                          .id = job->id };
    r = payload_text(job->payload, "to", &ret->to, reterr);
    if (r == 0 || r == -ENOENT)
        r = payload_text(job->payload, "subject", &ret->subject, reterr);
    if (r == 0 || r == -ENOENT)
        r = payload_text(job->payload, "text", &ret->text, reterr);
    if (r == -EINVAL)
        return r;
    if (!*ret->text)
        return err_set(reterr, -EINVAL, "text is missing");
    if (!*setting_text("SMTP_URL"))
        return err_set(reterr, -EINVAL, "no mail is sent: SMTP_URL is not set");
    return 0;
}

void email_start(struct job *job, uv_loop_t *loop)
{
    struct sending *sending;
    struct mail mail;
    struct err why;

    if (read_mail(job, &mail, &why) < 0) {
        job_dead(job, why.text);
        return;
    }
    sending = calloc(1, sizeof *sending);
    if (!sending) {
        job_retry(job, "out of memory");
        return;
    }
    sending->work.data = sending;
    sending->job = job;
    sending->mail = mail;
    sending->server = (struct mail_server){ .url = setting_text("SMTP_URL"),
                                            .user = setting_text("SMTP_USER"),
                                            .password = setting_text("SMTP_PASSWORD") };
    (void)uv_queue_work(loop, &sending->work, send_mail, sent);
}

void email_close(void)
{
    closed = true;
}
