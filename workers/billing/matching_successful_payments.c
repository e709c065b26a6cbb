/*
 * matching_successful_payments: takes in payments that succeeded at the provider and are not here.
 *
 * Selects   what the provider says succeeded within the window, and no row of ours has.
 * Does      reads the provider's lists, by creation and by capture.
 * Records   the payment and the subscription that its metadata asks for; else unmatched_payment and
 *           one alert.
 */
#include "billing.h"
#include "billing_sql.h"
#include "matching_successful_payments_sql.h"

static int matching_successful_payments(struct run *run)
{
    return billing_match(run, &sql[SQL_MATCH]);
}

const struct worker worker = {
    .app = "billing",
    .name = "matching_successful_payments",
    .about = "take in payments that the provider has and we do not",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS(BILLING_NEEDS, "BILLING_MATCH_WINDOW"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .app_sql = billing_sql,
    .app_sql_count = BILLING_SQL_COUNT,
    .in_flight_setting = "BILLING_CONCURRENCY",
    .run = matching_successful_payments,
};
