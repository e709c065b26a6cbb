-- How far behind each queue is, for people and for dashboards.

-- Depth counts what could run now; rate is jobs a second over the last minute, failures are those
-- of the last hour.
create view ops.queue as
with open as (
    select queue, count(*) filter (where state = 'available' and run_at <= now()) as depth,
           count(*) filter (where state = 'available' and run_at > now()) as delayed,
           count(*) filter (where state = 'running') as running,
           min(run_at) filter (where state = 'available' and run_at <= now()) as oldest_at
    from ops.job_open group by queue
), done as (
    select queue, count(*) as count from ops.job_done
    where finished_at > now() - interval '1 minute' and state = 'done' group by queue
), dead as (
    select queue, count(*) as count,
           count(*) filter (where finished_at > now() - interval '1 hour') as lately
    from ops.job_dead group by queue
)
select queue, coalesce(depth, 0) as depth, coalesce(delayed, 0) as delayed,
       coalesce(running, 0) as running,
       floor(extract(epoch from now() - oldest_at) * 1000)::bigint as oldest_ms,
       round(coalesce(done.count, 0) / 60.0, 2) as rate,
       coalesce(lately, 0) as failures, coalesce(dead.count, 0) as dead
from open full join done using (queue) full join dead using (queue);
