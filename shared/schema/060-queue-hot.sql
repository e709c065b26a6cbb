-- Claiming a job touches its row and no index.
--
-- PostgreSQL updates a row in place (heap-only, 73.7) when no index mentions a column that changes,
-- also not in its predicate, and the page has room for the new version. So no index of the hot
-- table mentions state, locked_by, attempt or started_at any more: running jobs stay in the index
-- that claims read, which passes over them. They are never more than what is in flight.

drop index ops.job_open_next, ops.job_open_delayed, ops.job_open_lane, ops.job_open_running;
create index job_open_next on ops.job_open (queue, (-priority), run_at, id)
    where is_due and group_key is null;
create index job_open_delayed on ops.job_open (queue, run_at)
    where not is_due and group_key is null;
create index job_open_lane on ops.job_open (queue, group_key, id) where group_key is not null;
create index job_open_cancelling on ops.job_open (id) where cancelling;
-- Each row is written twice, as available and, somewhat longer, as running.
alter table ops.job_open set (fillfactor = 45);

-- Nothing reads the history by time: a day of it goes at once.
drop index ops.job_done_time;
