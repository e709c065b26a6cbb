-- How far behind each queue is, at a cost that does not grow with what is in it: jobs are counted
-- as far as a bound and estimated beyond it, and whoever serves says how many it has done.

-- The order in which laned jobs could have run. Like every index of the hot table it mentions
-- nothing that a claim changes (060).
create index job_open_lane_time on ops.job_open (queue, run_at) where group_key is not null;
create index job_dead_queue on ops.job_dead (queue, finished_at);

-- The heartbeats of the last minute, oldest first, and how many jobs the process had done by each.
alter table ops.owner
    add column beats timestamptz[] not null default '{}',
    add column dones bigint[] not null default '{}';

-- How many rows PostgreSQL expects of a statement, from the table's size and its statistics.
create function ops.rows_estimate(statement text) returns bigint
language plpgsql as $$
declare
    plan json;
begin
    execute 'explain (format json) ' || statement into plan;
    return (plan -> 0 -> 'Plan' ->> 'Plan Rows')::float8::bigint;
end
$$;

-- Since when the oldest job of a queue could have run. Jobs without a lane are in order within
-- their priority only; those of more than a thousand priorities are not looked for.
create function ops.queue_oldest(queue text) returns timestamptz
language sql
as $$
    with recursive ranks (rank) as (
        (select -priority from ops.job_open
         where queue = queue_oldest.queue and is_due and group_key is null
         order by -priority limit 1)
        union all
        select (select -priority from ops.job_open
                where queue = queue_oldest.queue and is_due and group_key is null
                  and -priority > ranks.rank
                order by -priority limit 1)
        from ranks where ranks.rank is not null
    )
    select least(
        (select min(run_at)
         from (select rank from ranks limit 1000) ranks, lateral (
             select run_at from ops.job_open
             where queue = queue_oldest.queue and is_due and group_key is null
               and -priority = ranks.rank and state = 'available'
             order by -priority, run_at, id limit 1) head),
        (select run_at from ops.job_open
         where queue = queue_oldest.queue and not is_due and group_key is null and run_at <= now()
         order by run_at limit 1),
        (select run_at from ops.job_open
         where queue = queue_oldest.queue and group_key is not null and run_at <= now()
           and state = 'available'
         order by run_at limit 1))
$$;

-- Counts at most so many rows of each kind. Plans are made at each call, and go by an index in its
-- order: one that sorts would read everything there is.
create function ops.queue_figures(most int)
returns table (queue text, depth bigint, delayed bigint, running bigint, oldest_ms bigint,
               rate numeric, failures bigint, dead bigint, depth_estimated boolean,
               delayed_estimated boolean, running_estimated boolean, failures_estimated boolean,
               dead_estimated boolean)
language sql
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
with recursive known (queue) as (
    -- From one name to the next, however many rows have it.
    select ''
    union all
    select least(
        (select queue from ops.job_open
         where is_due and group_key is null and queue > known.queue order by queue limit 1),
        (select queue from ops.job_open
         where not is_due and group_key is null and queue > known.queue order by queue limit 1),
        (select queue from ops.job_open
         where group_key is not null and queue > known.queue order by queue limit 1),
        (select queue from ops.job_dead where queue > known.queue order by queue limit 1),
        (select min(queue) from ops.owner where queue > known.queue))
    from known where known.queue is not null
), served as (
    select queue, sum((dones[cardinality(dones)] - dones[1])
                      / nullif(extract(epoch from beats[cardinality(beats)] - beats[1]), 0)) as rate
    from ops.owner where beat_at > now() - interval '1 minute' group by queue
), busy as (
    select queue, count(*) as lanes from ops.lane where locked_by is not null group by queue
)
select known.queue,
       case when seen.due <= most then seen.depth
            else greatest(seen.depth, guess.open - seen.running - coalesce(busy.lanes, 0)
                                      - coalesce(guess.later, seen.delayed)) end,
       case when seen.delayed <= most then seen.delayed
            else greatest(seen.delayed, coalesce(guess.later, guess.open - seen.due)) end,
       seen.running + coalesce(busy.lanes, 0),
       floor(extract(epoch from now() - ops.queue_oldest(known.queue)) * 1000)::bigint,
       round(coalesce(served.rate, 0), 2),
       greatest(gone.lately, guess.lately), greatest(gone.dead, guess.dead),
       seen.due > most, seen.delayed > most, seen.free > most, gone.lately > most, gone.dead > most
from known
left join served using (queue)
left join busy using (queue)
cross join lateral (
    select count(*) filter (where due) as due,
           count(*) filter (where free) as free,
           count(*) filter (where due and state = 'available') as depth,
           count(*) filter (where state = 'running') as running,
           count(*) filter (where not due) as delayed
    from (
        (select * from (
            -- Running jobs are among the first of these: what was claimed was the queue's head.
            (select true as due, true as free, state from ops.job_open
             where queue = known.queue and is_due and group_key is null
             order by -priority, run_at, id limit most + 1)
            union all
            (select true, false, state from ops.job_open
             where queue = known.queue and group_key is not null and run_at <= now()
               and state = 'available'
             order by run_at limit most + 1)
            union all
            -- Their time has come, and nobody serves the queue.
            (select true, false, 'available' from ops.job_open
             where queue = known.queue and not is_due and group_key is null and run_at <= now()
             order by run_at limit most + 1)
        ) job limit most + 1)
        union all
        -- What is not due is not running. These are read from the index alone, once the table was
        -- vacuumed.
        (select * from (
            (select false, false, 'available' from ops.job_open
             where queue = known.queue and not is_due and group_key is null and run_at > now()
             order by run_at limit most + 1)
            union all
            (select false, false, 'available' from ops.job_open
             where queue = known.queue and group_key is not null and run_at > now()
             order by run_at limit most + 1)
        ) job limit most + 1)
    ) job
) seen
cross join lateral (
    select (select count(*) from (
                select from ops.job_dead where queue = known.queue
                order by finished_at limit most + 1) job) as dead,
           (select count(*) from (
                select from ops.job_dead
                where queue = known.queue and finished_at > now() - interval '1 hour'
                order by finished_at limit most + 1) job) as lately
) gone
cross join lateral (
    select case when seen.due > most or seen.delayed > most then ops.rows_estimate(format(
               'select from ops.job_open where queue = %L', known.queue)) end as open,
           case when seen.due > most and seen.delayed > most then ops.rows_estimate(format(
               'select from ops.job_open where queue = %L and run_at > now()', known.queue)) end
               as later,
           case when gone.dead > most then ops.rows_estimate(format(
               'select from ops.job_dead where queue = %L', known.queue)) end as dead,
           case when gone.lately > most then ops.rows_estimate(format(
               'select from ops.job_dead where queue = %L and finished_at > %L', known.queue,
               now() - interval '1 hour')) end as lately
) guess
where known.queue <> ''
$$;

-- Depth counts what could run now; rate is jobs a second over the last minute of those who serve,
-- failures are those of the last hour. What is beyond ten thousand is estimated.
create or replace view ops.queue as
select queue, depth, delayed, running, oldest_ms, rate, failures, dead, depth_estimated,
       delayed_estimated, running_estimated, failures_estimated, dead_estimated
from ops.queue_figures(10000);
