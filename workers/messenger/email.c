/*
 * send-email: libcurl's SMTP blocks, so each mail is sent on a thread of libuv's pool, and only its
 * outcome comes back to the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "instant.h"
#include "mail.h"
#include "messenger.h"
#include "telegram_payload.h"

struct sending {
    uv_work_t work;
    LIST_ENTRY(sending) link;
    struct job *job;
    cJSON *payload; /* a copy: a thread may be at it when the job is gone */
    struct mail_server server;
    struct mail mail;
    enum mail_outcome outcome;
    struct err why;
};

static LIST_HEAD(, sending) all = LIST_HEAD_INITIALIZER(all);
static bool closed;

static void sending_free(struct sending *sending)
{
    cJSON_Delete(sending->payload);
    free(sending);
}

/* On a thread of the pool; settings and payload do not change. */
static void send_mail(uv_work_t *work)
{
    struct sending *sending = work->data;

    sending->outcome = mail_send(&sending->server, &sending->mail, &sending->why);
}

static void tell(const struct sending *sending)
{
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
}

static void sent(uv_work_t *work, int status)
{
    struct sending *sending = work->data;

    if (!closed && status == UV_ECANCELED)
        job_give_back(sending->job);
    else if (!closed)
        tell(sending);
    LIST_REMOVE(sending, link);
    sending_free(sending);
}

static int read_mail(const cJSON *payload, int64_t id, struct mail *ret, struct err *reterr)
{
    int r;

    *ret = (struct mail){ .from = setting_text("SMTP_FROM"),
                          .to = setting_text("ALERT_EMAIL"),
                          .subject = "alert",
                          .text = "",
                          .now_ms = instant_now(),
                          .id = id };
    r = payload_text(payload, "to", &ret->to, reterr);
    if (r == 0 || r == -ENOENT)
        r = payload_text(payload, "subject", &ret->subject, reterr);
    if (r == 0 || r == -ENOENT)
        r = payload_text(payload, "text", &ret->text, reterr);
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
    struct sending *sending = calloc(1, sizeof *sending);
    struct err why = { "out of memory" };
    int r = -ENOMEM;

    if (sending)
        sending->payload = cJSON_Duplicate(job->payload, 1);
    if (sending && sending->payload)
        r = read_mail(sending->payload, job->id, &sending->mail, &why);
    if (r < 0) {
        if (sending)
            sending_free(sending);
        job_refuse(job, r, why.text);
        return;
    }
    sending->work.data = sending;
    sending->job = job;
    LIST_INSERT_HEAD(&all, sending, link);
    sending->server = (struct mail_server){ .url = setting_text("SMTP_URL"),
                                            .user = setting_text("SMTP_USER"),
                                            .password = setting_text("SMTP_PASSWORD") };
    (void)uv_queue_work(loop, &sending->work, send_mail, sent);
}

void email_stop(void)
{
    struct sending *sending;

    LIST_FOREACH (sending, &all, link)
        (void)uv_cancel((uv_req_t *)&sending->work);
}

void email_close(void)
{
    closed = true;
}
