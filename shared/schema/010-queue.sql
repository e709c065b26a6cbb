-- The queue as it is served: a small hot table of what is open, and beside it what is over.
--
-- ops.job stays the one table to read; its partitions differ in how they live. A finished row
-- leaves job_open in the transaction that finishes it, so that nothing but open jobs is ever
-- scanned there, and goes to a history that is emptied by TRUNCATE and never by DELETE.

alter table ops.job rename to job_before;
create sequence ops.job_number;

create table ops.job (
    id           bigint not null default nextval('ops.job_number'),
    queue        text not null check (queue <> ''),
    kind         text not null check (kind <> ''),
    payload      jsonb not null check (jsonb_typeof(payload) = 'object'),
    bot          text,
    group_key    text,
    priority     int not null default 0 check (priority > -2147483648),
    run_at       timestamptz not null default now(),
    state        text not null default 'available',
    attempt      int not null default 0,
    max_attempts int not null default 3 check (max_attempts > 0),
    dedup_key    text,
    last_error   text,
    errors       jsonb not null default '[]' check (jsonb_typeof(errors) = 'array'),
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    locked_by    text,
    lease_until  timestamptz,
    result       jsonb,
    -- A job without a group that is not due yet is kept out of the index that is fetched from:
    -- millions of delayed jobs then cost nothing. Whoever serves the queue sets it when run_at
    -- comes.
    is_due       boolean not null default true,
    cancelling   boolean not null default false, -- a running job that somebody cancelled
    ring         smallint -- of ops.job_done: the day it was finished, modulo 3
) partition by list (state);

-- Vacuum often, without pauses: the table is small because its dead rows are cleared away.
create table ops.job_open partition of ops.job (primary key (id))
    for values in ('available', 'running')
    with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01,
          autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
          autovacuum_analyze_scale_factor = 0.1);
-- An open job is unique by its key; the index is the guarantee, also between two transactions at
-- once, and ops.enqueue leans on it.
create unique index job_open_dedup on ops.job_open (queue, dedup_key) where dedup_key is not null;
-- Exactly the order in which jobs are fetched, over nothing but what can be fetched. All columns
-- ascend, so that a scan can begin in the middle: (-priority, run_at, id) >= (…).
create index job_open_next on ops.job_open (queue, (-priority), run_at, id)
    where state = 'available' and is_due and group_key is null;
create index job_open_delayed on ops.job_open (queue, run_at)
    where state = 'available' and not is_due and group_key is null;
create index job_open_lane on ops.job_open (queue, group_key, id)
    where state = 'available' and group_key is not null;
create index job_open_running on ops.job_open (locked_by) where state = 'running';

-- Days, modulo three: today's is written, yesterday's is kept, tomorrow's is empty. Rows are only
-- added, so there is nothing to vacuum.
create table ops.job_done partition of ops.job for values in ('done', 'cancelled')
    partition by list (ring);
create table ops.job_done_0 partition of ops.job_done for values in (0, null)
    with (autovacuum_enabled = false);
create table ops.job_done_1 partition of ops.job_done for values in (1)
    with (autovacuum_enabled = false);
create table ops.job_done_2 partition of ops.job_done for values in (2)
    with (autovacuum_enabled = false);
create index job_done_id on ops.job_done (id);
create index job_done_time on ops.job_done using brin (finished_at);

create table ops.job_dead partition of ops.job for values in ('dead');
create index job_dead_id on ops.job_dead (id);
create index job_dead_time on ops.job_dead (finished_at);

create function ops.job_ring() returns smallint language sql as $$
    select (extract(epoch from clock_timestamp())::bigint / 86400 % 3)::smallint
$$;

insert into ops.job (id, queue, kind, payload, bot, group_key, priority, run_at, state, attempt,
                     max_attempts, dedup_key, last_error, errors, created_at, started_at,
                     finished_at, result, ring)
select id, queue, kind, payload, bot, group_key, priority, run_at, state, attempt, max_attempts,
       dedup_key, last_error, errors, created_at, started_at, finished_at, result, ops.job_ring()
from ops.job_before;
select setval('ops.job_number', coalesce(max(id), 0) + 1, false) from ops.job_before;

-- --- lanes ---

-- What was enqueued for a lane and is not known to ops.lane yet. Enqueueing must not touch the
-- lane's own row: two transactions that write to the same two chats would wait for one another.
create table ops.lane_arrival (
    queue     text not null,
    job_id    bigint not null,
    group_key text not null,
    bot       text not null,
    priority  int not null,
    run_at    timestamptz not null,
    primary key (queue, job_id)
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0);

drop table ops.lane;
-- One row per group of jobs that go one after the other. Only who serves the queue writes it.
create table ops.lane (
    queue     text not null,
    group_key text not null,
    bot       text not null default '',
    next_at   timestamptz not null default '-infinity', -- nothing of it starts before: its limits
    wake_at   timestamptz not null default 'infinity',  -- its first open job is due: it has work
    due_at    timestamptz not null generated always as (greatest(next_at, wake_at)) stored,
    rank      int not null default 0, -- -priority of the most urgent job since it was last empty
    locked_by text,                   -- whose job of it is running
    job_id    bigint,                 -- which; null while it is being looked for
    starts    timestamptz[],          -- the last ones, where so many a minute are allowed
    primary key (queue, group_key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01,
        autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index lane_next on ops.lane (queue, bot, rank, due_at)
    where locked_by is null and wake_at < 'infinity';
create index lane_wake on ops.lane (queue, due_at) where locked_by is null and wake_at < 'infinity';
create index lane_locked on ops.lane (locked_by, job_id) where locked_by is not null;

-- The lane of a job that was given none: one per bot and chat for the two queues that end at
-- Telegram, where the order of messages is what people see.
create function ops.lane_of(queue text, bot text, payload jsonb) returns text
language sql immutable as $$
    select coalesce(bot, '') || ':' ||
           coalesce(payload ->> 'chatId', payload ->> 'chat_id', payload ->> 'telegramId',
                    payload ->> 'telegram_id')
    where queue in ('messages', 'bot-tasks')
$$;

insert into ops.lane_arrival
select queue, id, coalesce(group_key, ops.lane_of(queue, bot, payload)), coalesce(bot, ''),
       priority, run_at
from ops.job_before
where state in ('available', 'running')
  and coalesce(group_key, ops.lane_of(queue, bot, payload)) is not null;
-- What was running, ran under a queue that no longer exists.
update ops.job_open
set state = 'available', group_key = coalesce(group_key, ops.lane_of(queue, bot, payload)),
    is_due = run_at <= now();
drop table ops.job_before;

-- --- enqueueing ---

-- Returns the id of the new job, or of the available or running one of the queue with the same key.
-- It stands only where its result is read: a SELECT in a CTE that nobody reads is never run.
-- Null means the default for run_at, priority and max_attempts.
create or replace function ops.enqueue(
    queue        text,
    kind         text,
    payload      jsonb,
    bot          text default null,
    group_key    text default null,
    run_at       timestamptz default now(),
    dedup_key    text default null,
    priority     int default 0,
    max_attempts int default 3
) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
    job_id bigint;
    starts timestamptz := coalesce(enqueue.run_at, now());
    lane   text := enqueue.group_key;
    told   text; -- by an assignment, since PERFORM plans a query each time
begin
    if lane is null and enqueue.queue in ('messages', 'bot-tasks') then
        lane := ops.lane_of(enqueue.queue, enqueue.bot, enqueue.payload);
    end if;
    loop
        if enqueue.dedup_key is null then
            insert into ops.job_open (queue, kind, payload, bot, group_key, run_at, priority,
                                      max_attempts, is_due)
            values (enqueue.queue, enqueue.kind, enqueue.payload, enqueue.bot, lane, starts,
                    coalesce(enqueue.priority, 0), coalesce(enqueue.max_attempts, 3),
                    starts <= now())
            returning id into job_id;
            exit;
        end if;
        -- Waits for a transaction that is just inserting the same key or finishing its job.
        insert into ops.job_open (queue, kind, payload, bot, group_key, run_at, dedup_key, priority,
                                  max_attempts, is_due)
        values (enqueue.queue, enqueue.kind, enqueue.payload, enqueue.bot, lane, starts,
                enqueue.dedup_key, coalesce(enqueue.priority, 0),
                coalesce(enqueue.max_attempts, 3), starts <= now())
        on conflict (queue, dedup_key) where dedup_key is not null do nothing
        returning id into job_id;
        exit when found;
        select id into job_id
        from ops.job_open
        where job_open.queue = enqueue.queue and job_open.dedup_key = enqueue.dedup_key;
        if found then
            return job_id;
        end if;
        -- It was finished between the two statements: the key is free again.
    end loop;
    if lane is not null then
        insert into ops.lane_arrival (queue, job_id, group_key, bot, priority, run_at)
        values (enqueue.queue, job_id, lane, coalesce(enqueue.bot, ''),
                coalesce(enqueue.priority, 0), starts);
    end if;
    if starts <= now() then
        told := pg_notify('ops_job', enqueue.queue);
    end if;
    return job_id;
end
$$;

-- The same for many at once, several times as fast: payloads[n] has group_keys[n] and
-- dedup_keys[n], where those are given. Returns how many jobs are new.
create function ops.enqueue_all(
    queue        text,
    kind         text,
    payloads     jsonb[],
    bot          text default null,
    group_keys   text[] default null,
    run_at       timestamptz default now(),
    dedup_keys   text[] default null,
    priority     int default 0,
    max_attempts int default 3
) returns bigint
language plpgsql
as $$
#variable_conflict use_column
declare
    starts timestamptz := coalesce(enqueue_all.run_at, now());
    told   text;
    made   bigint;
begin
    with made as (
        insert into ops.job_open (queue, kind, payload, bot, group_key, run_at, dedup_key, priority,
                                  max_attempts, is_due)
        select enqueue_all.queue, enqueue_all.kind, new.payload, enqueue_all.bot,
               coalesce(new.group_key,
                        ops.lane_of(enqueue_all.queue, enqueue_all.bot, new.payload)),
               starts, new.dedup_key, coalesce(enqueue_all.priority, 0),
               coalesce(enqueue_all.max_attempts, 3), starts <= now()
        from unnest(enqueue_all.payloads, enqueue_all.group_keys, enqueue_all.dedup_keys)
            with ordinality as new (payload, group_key, dedup_key, place)
        -- In one order by everybody, so that two of these with the same keys do not deadlock.
        order by new.dedup_key, new.place
        on conflict (queue, dedup_key) where dedup_key is not null do nothing
        returning id, group_key
    ), arrived as (
        insert into ops.lane_arrival (queue, job_id, group_key, bot, priority, run_at)
        select enqueue_all.queue, id, group_key, coalesce(enqueue_all.bot, ''),
               coalesce(enqueue_all.priority, 0), starts
        from made
        where group_key is not null
    )
    select count(*) into made from made;
    if made > 0 and starts <= now() then
        told := pg_notify('ops_job', enqueue_all.queue);
    end if;
    return made;
end
$$;

-- --- a person's word ---

-- Puts a dead or cancelled job back, with all its attempts before it. Returns its state after that,
-- or null when there is no such job; one that is open or done stays as it is.
create function ops.job_retry(job_id bigint) returns text
language plpgsql as $$
declare
    job ops.job;
begin
    delete from ops.job
    where id = job_retry.job_id and state in ('dead', 'cancelled')
    returning * into job;
    if not found then
        return (select state from ops.job where id = job_retry.job_id);
    end if;
    insert into ops.job_open (id, queue, kind, payload, bot, group_key, priority, dedup_key,
                              max_attempts, last_error, errors, created_at)
    values (job.id, job.queue, job.kind, job.payload, job.bot, job.group_key, job.priority,
            job.dedup_key, job.max_attempts, job.last_error, job.errors, job.created_at);
    if job.group_key is not null then
        insert into ops.lane_arrival
        values (job.queue, job.id, job.group_key, coalesce(job.bot, ''), job.priority, now());
    end if;
    perform pg_notify('ops_job', job.queue);
    return 'available';
end
$$;

-- Cancels a job that has not begun; one that is running ends as it ends, and is not tried again.
-- Returns its state after that, or null when there is no such job.
create function ops.job_cancel(job_id bigint) returns text
language plpgsql as $$
begin
    update ops.job
    set state = 'cancelled', finished_at = clock_timestamp(), ring = ops.job_ring()
    where id = job_cancel.job_id and state = 'available';
    update ops.job_open set cancelling = true
    where id = job_cancel.job_id and state = 'running';
    return (select state from ops.job where id = job_cancel.job_id);
end
$$;

-- --- who serves ---

-- One row per serving process; owner is random, one per process start. Who has not said for long
-- that it lives is dead, and its jobs go back.
create table ops.owner (
    owner   text primary key,
    queue   text not null,
    host    text not null,
    pid     int not null,
    since   timestamptz not null default clock_timestamp(),
    beat_at timestamptz not null default clock_timestamp()
) with (fillfactor = 50);

-- --- rates ---

-- recent holds the last starts of the bot, oldest first, as many as it may have in a second.
alter table ops.rate add column recent timestamptz[] not null default '{}';

-- When a bot that may start per_second requests a second, and started those in recent, may start
-- the one after it: 0.9 of the even distance after the last, so that a late one can be caught up
-- with, and never more than per_second in a second. The second is 1 % longer than a second, for
-- requests that travel faster than the one before.
create function ops.rate_next(recent timestamptz[], per_second int) returns timestamptz
language sql immutable as $$
    select greatest(recent[cardinality(recent)] + interval '0.9 s' / per_second,
                    recent[cardinality(recent) - per_second + 1] + interval '1.01 s')
$$;

-- Reserves n requests of a bot, which may send per_second of them, and returns when the first may
-- leave (the others follow 1.01/per_second apart). It holds the bot's row until the end of the
-- transaction: call it on its own.
create or replace function ops.rate_take(bot text, n int default 1, per_second numeric default 30)
returns timestamptz
language plpgsql
as $$
#variable_conflict use_column
declare
    most  int := greatest(1, floor(rate_take.per_second));
    apart interval := interval '1.01 s' / rate_take.per_second::float8;
    taken ops.rate;
    first timestamptz;
begin
    insert into ops.rate (bot, next_at) values (rate_take.bot, '-infinity') on conflict do nothing;
    select * into taken from ops.rate where rate.bot = rate_take.bot for update;
    -- Each of the n must be a second after the one that was most requests before it.
    select greatest(clock_timestamp(), taken.next_at,
                    max(taken.recent[cardinality(taken.recent) - most + i] + interval '1.01 s'
                        - (i - 1) * apart))
    into first
    from generate_series(1, least(rate_take.n, most)) i;
    taken.recent := taken.recent || array(select first + (i - 1) * apart
                                          from generate_series(1, rate_take.n) i);
    taken.recent := taken.recent[greatest(1, cardinality(taken.recent) - most + 1):];
    update ops.rate
    set recent = taken.recent, next_at = ops.rate_next(taken.recent, most)
    where rate.bot = rate_take.bot;
    return first;
end
$$;

-- --- what is over ---

-- Empties tomorrow's history, forgets jobs that are dead for 30 days and lanes that are idle for a
-- day. Whoever serves a queue calls it every few minutes; one at a time is enough.
create function ops.job_prune() returns void
language plpgsql as $$
declare
    tomorrow text := format('ops.job_done_%s', (ops.job_ring() + 1) % 3);
    filled   boolean;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('ops.job_prune', 0)) then
        return;
    end if;
    delete from ops.job_dead
    where id = any (array(select id from ops.job_dead
                          where finished_at < now() - interval '30 days'
                          order by finished_at limit 10000));
    delete from ops.lane
    where locked_by is null and wake_at = 'infinity' and next_at < now() - interval '1 day';
    execute format('select exists (select from %s)', tomorrow) into filled;
    if filled then
        -- Somebody may be reading it for a long time, as a backup does: then the next call does it.
        perform set_config('lock_timeout', '200ms', true);
        begin
            execute format('truncate %s', tomorrow);
        exception when lock_not_available then
            null;
        end;
    end if;
end
$$;
