#ifndef BILLING_H
#define BILLING_H
/*
 * What the workers of billing share: ask the provider about many rows at once, read its lists page
 * by page, settle what it says, and raise the one alarm.
 *
 * All of them log what goes wrong, count in run->stats, and return 0 or a negative errno that the
 * worker passes on: -EAGAIN (the rest is for a later run), -EACCES (the provider does not accept
 * our credentials; alarm raised), or as db_query.
 */
#include <stdint.h>

#include "worker.h"
#include "yookassa.h"

/* What every worker needs that talks to the provider. */
#define BILLING_NEEDS                                                          \
    "DATABASE_URL", "YOOKASSA_URL", "YOOKASSA_SHOP_ID", "YOOKASSA_SECRET_KEY", \
        "BILLING_CONCURRENCY", "BILLING_TZ", "TELEGRAM_ADMIN_CHAT_ID", "SMTP_URL"

/* Rows taken at a time: enough to keep the requests in flight, few enough to forget. */
#define BILLING_BATCH "256"

/* Starts the request of one row; returns what http_submit does. */
typedef int billing_send(struct run *run, const struct rows *rows, int row);
/* Records its answer. After ANSWER_DENIED, for which the alarm is raised already, the run ends
 * whatever this returns. */
typedef int billing_take(struct run *run, const struct rows *rows, int row,
                         const struct answer *answer);

/* One request per row, as many in flight as the pool allows. A failure of one row leaves the others
 * alone; a provider that answers nobody ends it early with -EAGAIN. Every request that was sent is
 * taken, also after a failure and after a signal. */
int billing_ask_all(struct run *run, const struct rows *rows, billing_send *send,
                    billing_take *take);

/* Hands each page of the list to statement ($1 page, $2 now, $3 zone, $4 administrators' chat; it
 * returns the columns of settle), at most pages_max of them (0: all). Where absence counts, a list
 * with anything that is no payment fails with -EAGAIN. */
int billing_read_list(struct run *run, const struct payment_filter *filter, int64_t pages_max,
                      const struct statement *statement);

/* As billing_read_list for what the provider says has succeeded within the window, by creation and
 * by capture. */
int billing_match(struct run *run, const struct statement *statement);

/* Settles one payment. charge is the autopayment whose request it answers, or NULL. */
int billing_settle(struct run *run, const char *document, const char *charge);

/* Tells administrators of a lasting trouble, once a day for each name. That it cannot be told is
 * logged and changes nothing. */
void billing_alert(struct run *run, const char *name, const char *text);

/* Logs and counts rows of provider's id, outcome, subscription, jobs. */
void billing_report(struct run *run, const struct rows *rows);

#endif
