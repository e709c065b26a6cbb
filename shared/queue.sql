-- Serving a queue. Statements of one turn are sent together and are one transaction: outcomes
-- first, then the claim of the next jobs. Each takes its own snapshot, which lanes rely on: a lane
-- is locked by one statement and looked into by the next, so a job that came in between is seen.
-- (select clock_timestamp()) is one instant, which an index can be asked with; the bare function
-- may change from row to row, and all that is not due would be read.

-- name: planner
-- Every statement here goes by an index in its order. Plans are made when the table is small, and
-- would read all of it in vain once it has grown, until somebody counts its rows again.
select set_config('enable_seqscan', 'off', false), set_config('enable_bitmapscan', 'off', false),
       set_config('jit', 'off', false);

-- name: register
-- $1 owner, $2 queue, $3 host, $4 pid
insert into ops.owner (owner, queue, host, pid) values ($1, $2, $3, $4::int)
on conflict (owner) do update set beat_at = clock_timestamp();

-- name: beat
-- Says that the owner lives and what it has done; returns those of its jobs that somebody
-- cancelled meanwhile.
-- $1 owner, $2 queue, $3 host, $4 pid, $5 jobs done so far, $6 how many beats are kept
with beat as (
    insert into ops.owner as owner (owner, queue, host, pid, beats, dones)
    values ($1, $2, $3, $4::int, array[clock_timestamp()], array[$5::bigint])
    on conflict (owner) do update
    set beat_at = clock_timestamp(),
        beats = (owner.beats || excluded.beats)
                    [greatest(1, cardinality(owner.beats) - $6::int + 2):],
        dones = (owner.dones || excluded.dones)
                    [greatest(1, cardinality(owner.dones) - $6::int + 2):]
)
select id from ops.job_open where cancelling and locked_by = $1 and state = 'running';

-- name: leave
-- $1 owner
delete from ops.owner where owner = $1;

-- name: take_back
-- Jobs of owners that have been silent for $1 seconds go back, their lanes are free. A server that
-- has just started heard nobody for as long as it was down. How such a job ended is not known: it
-- is repeated unless it must not be, and one whose process died that often is what kills it. No
-- index finds running jobs, for claims would have to write it: all open ones are read, when
-- somebody has died.
-- $1 seconds, $2 how often
with dead as (
    delete from ops.owner
    where owner = any (array(
        select owner from ops.owner
        where beat_at < clock_timestamp() - $1::int * interval '1 s'
          and pg_postmaster_start_time() < clock_timestamp() - $1::int * interval '1 s'
        for update skip locked))
    returning owner, host, pid
), lost as (
    select id, owner,
           case when cancelling then 'cancelled'
                when payload ->> 'delivery' = 'at_most_once' then 'dead'
                when (select count(*) from jsonb_array_elements(errors) e
                      where e ->> 'interrupted' = 'true') + 1 >= $2::int then 'dead'
                else 'available' end as outcome,
           jsonb_build_object('at', clock_timestamp(), 'attempt', attempt, 'interrupted', true,
               'error', format('its process (%s, pid %s) died; whether it worked is not known',
                               host, pid)) as entry
    from dead join ops.job_open on locked_by = owner and state = 'running'
    where exists (select from dead)
    for update of job_open
), gone as (
    delete from ops.job_open job using lost
    where job.id = lost.id and outcome <> 'available'
    returning job.*, outcome, entry
), kept as (
    insert into ops.job (id, queue, kind, payload, bot, group_key, priority, run_at, state, attempt,
                         max_attempts, dedup_key, last_error, errors, created_at, started_at,
                         finished_at, locked_by, ring)
    select id, queue, kind, payload, bot, group_key, priority, run_at, outcome, attempt,
           max_attempts, dedup_key, entry ->> 'error', errors || entry, created_at, started_at,
           clock_timestamp(), locked_by, ops.job_ring()
    from gone
), back as (
    update ops.job_open job
    set state = 'available', attempt = job.attempt - 1, locked_by = null, is_due = true,
        last_error = entry ->> 'error', errors = errors || entry
    from lost
    where job.id = lost.id and outcome = 'available'
), lanes as (
    update ops.lane set locked_by = null, job_id = null, wake_at = '-infinity'
    from dead where locked_by = owner
)
select owner, host, pid, (select count(*) from lost where lost.owner = dead.owner) from dead;

-- name: give_back
-- What the server says is ours and we know nothing of: a claim whose answer was lost together with
-- the connection. None of it was started. Reads all open jobs, as above.
-- $1 owner, $2 ids that we know
with back as (
    update ops.job_open set state = 'available', attempt = attempt - 1, locked_by = null
    where locked_by = $1 and state = 'running' and id <> all ($2::bigint[])
)
update ops.lane set locked_by = null, job_id = null, wake_at = '-infinity'
where locked_by = $1 and (job_id is null or job_id <> all ($2::bigint[]));

-- name: finish
-- Only the owner's own jobs, at the attempt it knows: what was taken back is no longer ours. Only a
-- running job has an owner; saying so would let the planner walk all of the owner's jobs for each.
-- Statistics that were made while the table was empty, as it often is, promise one row: a join with
-- it would read all of them, so it is joined with nothing; and what left it is joined by hash,
-- which is how a full join is done.
-- $1 owner, then arrays: $2 ids, $3 attempts, $4 states, $5 reasons, $6 results
with gone as (
    delete from ops.job_open
    where id = any ($2::bigint[]) and locked_by = $1
      and ((id, attempt) in (select * from unnest($2::bigint[], $3::int[]))) is true
    returning *
)
insert into ops.job (id, queue, kind, payload, bot, group_key, priority, run_at, state, attempt,
                     max_attempts, dedup_key, last_error, errors, created_at, started_at,
                     finished_at, locked_by, result, ring)
select id, queue, kind, payload, bot, group_key, priority, run_at, outcome, attempt, max_attempts,
       dedup_key, coalesce(reason, last_error),
       case when outcome = 'dead'
            then errors || jsonb_build_object('at', clock_timestamp(), 'attempt', attempt,
                                              'error', reason)
            else errors end,
       created_at, started_at, clock_timestamp(), locked_by, found::jsonb, (select ops.job_ring())
from gone full join unnest($2::bigint[], $4::text[], $5::text[], $6::text[])
    as ended (id, outcome, reason, found) using (id)
where coalesce(attempt, 0) > 0;

-- name: put_back
-- One that was cancelled meanwhile does not come back. The list of errors keeps the newest 20.
-- $1 owner, then arrays: $2 ids, $3 attempts, $4 attempts used, $5 waits in ms, $6 reasons, $7 kept
-- in errors, $8 interrupted
with ended as materialized (
    select *
    from unnest($2::bigint[], $3::int[], $4::int[], $5::bigint[], $6::text[], $7::bool[],
                $8::bool[])
        as ended (id, attempt, used, wait_ms, reason, kept, interrupted)
), gone as (
    delete from ops.job_open job using ended
    where job.id = ended.id and job.attempt = ended.attempt and job.locked_by = $1
      and job.cancelling
    returning job.*, ended.reason
), cancelled as (
    insert into ops.job (id, queue, kind, payload, bot, group_key, priority, run_at, state, attempt,
                         max_attempts, dedup_key, last_error, errors, created_at, started_at,
                         finished_at, locked_by, ring)
    select id, queue, kind, payload, bot, group_key, priority, run_at, 'cancelled', attempt,
           max_attempts, dedup_key, coalesce(reason, last_error), errors, created_at, started_at,
           clock_timestamp(), locked_by, ops.job_ring()
    from gone
)
update ops.job_open job
set state = 'available', locked_by = null, attempt = ended.used,
    run_at = case when ended.wait_ms > 0
                  then clock_timestamp() + ended.wait_ms * interval '1 ms' else job.run_at end,
    is_due = job.group_key is not null or ended.wait_ms = 0,
    last_error = coalesce(ended.reason, job.last_error),
    errors = case when ended.kept
                  then (select jsonb_agg(entry order by place) from (
                            select entry, place
                            from jsonb_array_elements(job.errors || jsonb_build_object(
                                'at', clock_timestamp(), 'attempt', job.attempt,
                                'interrupted', ended.interrupted, 'error', ended.reason))
                                with ordinality as list (entry, place)
                            order by place desc limit 20) newest)
                  else job.errors end
from ended
where job.id = ended.id and job.attempt = ended.attempt and job.locked_by = $1
  and not job.cancelling;

-- name: free_lanes
-- The lane's limits count from here, which is after the request has arrived.
-- $1 owner, then arrays: $2 ids, $3 how long the lane waits in ms, $4 in how many ms the job wants
-- it again, null when it does not; $5 ms between two starts, $6 starts a minute of a group
update ops.lane
set locked_by = null, job_id = null,
    wake_at = least(wake_at, clock_timestamp() + wake_ms * interval '1 ms'),
    next_at = greatest(clock_timestamp() + greatest($5::int, wait_ms) * interval '1 ms',
                       case when $6::int > 0 and group_key ~ ':-[0-9]+$'
                            then starts[cardinality(starts) - $6::int + 2] + interval '61 s' end),
    starts = case when $6::int > 0 and group_key ~ ':-[0-9]+$'
                  then (starts || clock_timestamp())
                           [greatest(1, cardinality(starts) - $6::int + 2):]
             end
from unnest($2::bigint[], $3::bigint[], $4::bigint[]) as ended (id, wait_ms, wake_ms)
where locked_by = $1 and job_id = ended.id;

-- name: promote
-- Delayed jobs that are due now.
-- $1 queue
update ops.job_open set is_due = true
where id = any (array(
    select id from ops.job_open
    where queue = $1 and state = 'available' and not is_due and group_key is null
      and run_at <= (select clock_timestamp())
    order by run_at limit 1000
    for update skip locked));

-- name: claim
-- Jobs without a lane, from ($4, $5, $6) on: behind whatever was claimed before, since rows that an
-- old snapshot keeps alive lie there. Whoever uses that looks from the beginning now and then. The
-- row just locked is found by its place; one that moved at the same time is left for the next look.
-- $1 queue, $2 owner, $3 how many, $4 rank, $5 run_at, $6 id
with claimed as (
    update ops.job_open
    set state = 'running', attempt = attempt + 1, started_at = clock_timestamp(), locked_by = $2
    where ctid = any (array(
        select ctid from ops.job_open
        where queue = $1 and state = 'available' and is_due and group_key is null
          and (-priority, run_at, id) >= ($4::int, $5::timestamptz, $6::bigint)
        order by -priority, run_at, id
        limit $3::int
        for update skip locked))
    returning id, attempt, max_attempts, kind, bot, group_key, payload, -priority as rank, run_at
)
select id, attempt, max_attempts, kind, coalesce(bot, ''), group_key, payload, rank, run_at
from claimed
order by rank, run_at, id;

-- name: admit
-- What was enqueued since the last time becomes known to the lanes. A lane that is in somebody's
-- hands is left for the next look: whoever waits here holds the lanes whose jobs have just ended,
-- and two would wait for one another. For the same reason all make new lanes in one order.
-- $1 queue, $2 from this id on, $3 how many
with waiting as materialized (
    select job_id, group_key, bot, priority, run_at from ops.lane_arrival
    where queue = $1 and job_id >= $2::bigint
    order by job_id limit $3::int
    for update skip locked
), ours as materialized (
    select group_key from ops.lane
    where queue = $1 and group_key = any (array(select distinct group_key from waiting))
    for update skip locked
), arrived as materialized (
    select * from waiting
    where group_key in (select group_key from ours)
       or not exists (select from ops.lane
                      where lane.queue = $1 and lane.group_key = waiting.group_key)
), gone as (
    delete from ops.lane_arrival
    where queue = $1 and job_id = any (array(select job_id from arrived))
), paced as (
    insert into ops.rate (bot, next_at)
    select distinct bot, '-infinity'::timestamptz from arrived order by bot
    on conflict do nothing
), known as (
    insert into ops.lane as lane (queue, group_key, bot, wake_at, rank)
    select $1, group_key, min(bot), min(run_at), min(-priority)
    from arrived group by group_key order by group_key
    on conflict (queue, group_key) do update
    set wake_at = least(lane.wake_at, excluded.wake_at), bot = excluded.bot,
        rank = case when lane.wake_at = 'infinity' and lane.locked_by is null then excluded.rank
                    else least(lane.rank, excluded.rank) end
)
select count(*), max(job_id) from arrived;

-- name: lock_lanes
-- Lanes that are due, the urgent ones of a bot first; bots have the room by lot, since one with
-- many lanes would take it all. Starts are free here: only a pause holds a bot back.
-- $1 queue, $2 owner, $3 how many
with recursive bots (bot) as (
    (select bot from ops.lane
     where queue = $1 and locked_by is null and wake_at < 'infinity'
     order by bot limit 1)
    union all
    select (select bot from ops.lane
            where queue = $1 and bot > bots.bot and locked_by is null and wake_at < 'infinity'
            order by bot limit 1)
    from bots where bots.bot is not null
)
update ops.lane set locked_by = $2
where queue = $1 and group_key = any (array(
    select lane.group_key
    from (select bot, random() as place from bots) bots left join ops.rate using (bot), lateral (
        select group_key from ops.lane
        where queue = $1 and bot = bots.bot and locked_by is null and wake_at < 'infinity'
          and due_at <= (select clock_timestamp())
        order by rank, due_at
        limit $3::int
        for update skip locked) lane
    where coalesce(rate.paused_until, '-infinity') <= clock_timestamp()
    order by place
    limit $3::int));

-- name: lock_paced_lanes
-- The same for bots that may start only so many a second: one lane of each whose turn comes soon,
-- and where there is no room for all, of those first that have waited longest for theirs.
-- Turns are given away $5 ms before they come: what a transaction takes, and that it is late at
-- times, then costs nothing of the rate. Two processes wait for one another here, in one order, so
-- that a start is counted once.
-- $1 queue, $2 owner, $3 how many, $4 starts a second of a bot, $5 how long before
with recursive bots (bot) as (
    (select bot from ops.lane
     where queue = $1 and locked_by is null and wake_at < 'infinity'
     order by bot limit 1)
    union all
    select (select bot from ops.lane
            where queue = $1 and bot > bots.bot and locked_by is null and wake_at < 'infinity'
            order by bot limit 1)
    from bots where bots.bot is not null
), free as materialized (
    select rate.bot, rate.next_at
    from ops.rate
    where bot = any (array(select bot from bots where bot is not null))
      and next_at <= clock_timestamp() + $5::int * interval '1 ms'
    order by bot
    for update
), picked as materialized (
    select lane.group_key, free.bot
    from free, lateral (
        select group_key from ops.lane
        where queue = $1 and bot = free.bot and locked_by is null and wake_at < 'infinity'
          and due_at <= (select clock_timestamp())
        order by rank, due_at
        limit 1
        for update skip locked) lane
    order by free.next_at
    limit $3::int
), clock as materialized (
    select clock_timestamp() as now
), paced as (
    update ops.rate
    set recent = (rate.recent || greatest(rate.next_at, clock.now))
                     [greatest(1, cardinality(rate.recent) - $4::int + 2):],
        next_at = ops.rate_next(rate.recent || greatest(rate.next_at, clock.now), $4::int)
    from clock
    where bot = any (array(select bot from picked))
)
update ops.lane set locked_by = $2
where queue = $1 and group_key = any (array(select group_key from picked));

-- name: claim_lanes
-- The oldest job that is due of each lane that the statement before has locked. Where somebody
-- holds its row, as one who is about to cancel it does, nothing of the lane goes before it. The
-- last column is in how many milliseconds the turn comes that the bot was given, where starts are
-- paced.
-- $1 queue, $2 owner
with heads as materialized (
    select lane.group_key, head.id
    from ops.lane left join lateral (
        select id from ops.job_open job
        where job.queue = lane.queue and job.group_key = lane.group_key and state = 'available'
          and run_at <= clock_timestamp()
        order by id limit 1) head on true
    where lane.queue = $1 and locked_by = $2 and job_id is null
), mine as materialized (
    select id, group_key from ops.job_open
    where id = any (array(select id from heads)) and state = 'available'
    for update skip locked
), rest as (
    update ops.lane
    set job_id = mine.id, locked_by = case when mine.id is not null then locked_by end,
        wake_at = coalesce(
            case when heads.id <> coalesce(mine.id, 0)
                 then clock_timestamp() + interval '100 ms' end,
            (select '-infinity'::timestamptz from ops.job_open job
             where job.queue = $1 and job.group_key = heads.group_key and state = 'available'
               and run_at <= clock_timestamp() and job.id <> mine.id
             order by id limit 1),
            (select min(run_at) from ops.job_open job
             where job.queue = $1 and job.group_key = heads.group_key and state = 'available'
               and run_at > clock_timestamp()),
            'infinity')
    from heads left join mine using (group_key)
    where lane.queue = $1 and lane.group_key = heads.group_key
)
update ops.job_open
set state = 'running', attempt = attempt + 1, started_at = clock_timestamp(), locked_by = $2
where id = any (array(select id from mine))
returning id, attempt, max_attempts, kind, coalesce(bot, ''), group_key, payload,
    (select ceil(extract(epoch from recent[cardinality(recent)] - clock_timestamp()) * 1000)::bigint
     from ops.rate where rate.bot = coalesce(job_open.bot, ''));

-- name: wake
-- In how many milliseconds there may be something to claim; null: nobody knows of anything. What
-- is due already became so while the turn was under way, or is in the hands of somebody else; so is
-- the lane of what has arrived and was not admitted.
-- $1 queue, $2 starts a second of a bot, 0: no limit; $3 how long before its turn one is given
with recursive bots (bot) as (
    (select bot from ops.lane
     where queue = $1 and locked_by is null and wake_at < 'infinity'
     order by bot limit 1)
    union all
    select (select bot from ops.lane
            where queue = $1 and bot > bots.bot and locked_by is null and wake_at < 'infinity'
            order by bot limit 1)
    from bots where bots.bot is not null
)
select ceil(extract(epoch from least(
    (select run_at from ops.job_open
     where queue = $1 and state = 'available' and not is_due and group_key is null
     order by run_at limit 1),
    (select clock_timestamp() from ops.lane_arrival where queue = $1 limit 1),
    (select min(greatest(first.due_at,
                         case when $2::int > 0 then rate.next_at - $3::int * interval '1 ms'
                              else rate.paused_until end))
     from bots left join ops.rate using (bot), lateral (
         select due_at from ops.lane
         where queue = $1 and bot = bots.bot and locked_by is null and wake_at < 'infinity'
         order by due_at limit 1) first))
    - clock_timestamp()) * 1000)::bigint;

-- name: tell
-- That there is more than the server that says so has room for.
-- $1 queue
select pg_notify('ops_job', '+' || $1);

-- name: rate_take
-- Milliseconds until the first of n may leave.
-- $1 bot, $2 n, $3 a second
select ceil(extract(epoch from ops.rate_take($1, $2::int, $3::int) - clock_timestamp()) * 1000)
       ::bigint;

-- name: pause_bot
-- $1 bot, $2 ms
insert into ops.rate as rate (bot, next_at, paused_until)
select $1, until, until from (select clock_timestamp() + $2::bigint * interval '1 ms') t (until)
on conflict (bot) do update
set next_at = greatest(rate.next_at, excluded.next_at),
    paused_until = greatest(rate.paused_until, excluded.paused_until);

-- name: prune
select ops.job_prune(), ops.run_prune();

-- name: waiting
-- $1 queue
select count(*) from ops.job_open where queue = $1 and state = 'available' and run_at <= now();
