/*
 * daily_bonus_reminder: reminds new users of the bonus that they can take today.
 *
 * Selects   users in their first three calendar days who did not take today's bonus and were not
 *           reminded of it, whom the bot may write to; nobody before 11:00 of OZHIVLYATOR_TZ.
 * Does      nothing outside of the database.
 * Records   the day, and the message, in one statement however many there are.
 */
#include "daily_bonus_reminder_sql.h"
#include "worker.h"

static int daily_bonus_reminder(struct run *run)
{
    OWN_ROWS struct rows rows = { 0 };
    int r;

    r = db_run(run->db, &sql[SQL_REMIND], &rows, run->now, setting_text("OZHIVLYATOR_TZ"));
    if (r < 0)
        return run_db_failed(run, r, "remind of the daily bonus");
    run->stats.selected = run->stats.changed = run->stats.enqueued = rows_int(&rows, 0, 0);
    log_info(run->dry_run ? "would remind of the daily bonus" : "reminded of the daily bonus",
             LOG_INT("users", run->stats.changed));
    return 0;
}

const struct worker worker = {
    .app = "ozhivlyator",
    .name = "daily_bonus_reminder",
    .about = "remind new users of the daily bonus, once a day from 11:00 on",
    .kind = WORKER_RUN,
    .needs = WORKER_NEEDS("DATABASE_URL", "OZHIVLYATOR_TZ"),
    .sql = sql,
    .sql_count = SQL_COUNT,
    .run = daily_bonus_reminder,
};
