-- What all apps share: the queue, the ledger of runs, and what is known of Telegram chats.

-- One row per job. The statement that changes a row of an app also inserts here (ops.enqueue), so a
-- message is never lost and never announced for a change that was rolled back.
create table ops.job (
    id           bigint generated always as identity primary key,
    queue        text not null check (queue <> ''),
    kind         text not null check (kind <> ''),
    payload      jsonb not null check (jsonb_typeof(payload) = 'object'),
    bot          text,
    group_key    text,
    priority     int not null default 0,
    run_at       timestamptz not null default now(),
    state        text not null default 'available'
                 check (state in ('available', 'running', 'done', 'dead', 'cancelled')),
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
    result       jsonb
);

-- An open job is unique by its key; the index is the guarantee, also between two transactions at
-- once, and ops.enqueue leans on it.
create unique index job_dedup on ops.job (queue, dedup_key)
    where dedup_key is not null and state in ('available', 'running');
-- Exactly the order in which jobs are fetched, over nothing but what can be fetched.
create index job_available on ops.job (queue, priority desc, run_at, id) where state = 'available';
create index job_running on ops.job (lease_until) where state = 'running';
create index job_finished on ops.job (finished_at) where state in ('done', 'dead', 'cancelled');

-- Returns the id of the new job, or of the available or running one of the queue with the same key.
-- It stands only where its result is read: a SELECT in a CTE that nobody reads is never run.
-- Null means the default for run_at, priority and max_attempts.
create function ops.enqueue(
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
begin
    loop
        -- Waits for a transaction that is just inserting the same key or finishing its job.
        insert into ops.job (queue, kind, payload, bot, group_key, run_at, dedup_key, priority,
                             max_attempts)
        values (enqueue.queue, enqueue.kind, enqueue.payload, enqueue.bot, enqueue.group_key,
                coalesce(enqueue.run_at, now()), enqueue.dedup_key, coalesce(enqueue.priority, 0),
                coalesce(enqueue.max_attempts, 3))
        on conflict (queue, dedup_key)
            where dedup_key is not null and state in ('available', 'running')
            do nothing
        returning id into job_id;
        if found then
            return job_id;
        end if;
        select id into job_id
        from ops.job
        where job.queue = enqueue.queue and job.dedup_key = enqueue.dedup_key
          and state in ('available', 'running');
        if found then
            return job_id;
        end if;
        -- It was finished between the two statements: the key is free again.
    end loop;
end
$$;

-- One row per tick of a scheduled worker, and per run by hand (tick_at is then when it began). A
-- row whose exit_code is not 0 may be taken over, by whoever has the lock of (app, worker).
-- Instants here are the server's clock, not the run's "now", which tests and back-fills choose.
create table ops.run (
    id          bigint generated always as identity primary key,
    app         text not null,
    worker      text not null,
    host        text not null,
    pid         int not null,
    backend_pid int not null default pg_backend_pid(),
    tick_at     timestamptz not null,
    attempt     int not null default 1,
    started_at  timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    exit_code   int,
    stats       jsonb,
    error       text,
    unique (app, worker, tick_at)
);

-- Whom Telegram told us not to write to, and groups that became supergroups.
create table ops.recipient (
    bot        text not null,
    chat_id    bigint not null,
    blocked_at timestamptz not null default now(),
    reason     text not null default '',
    primary key (bot, chat_id)
);
create table ops.chat_alias (
    bot         text not null,
    old_chat_id bigint not null,
    new_chat_id bigint not null check (new_chat_id <> old_chat_id),
    seen_at     timestamptz not null default now(),
    primary key (bot, old_chat_id)
);

-- One row per group of jobs that go one after the other: nothing of it is due before next_at.
create table ops.lane (
    queue     text not null,
    group_key text not null,
    next_at   timestamptz not null default '-infinity',
    primary key (queue, group_key)
) with (fillfactor = 50);

-- One row per bot: when its next request may leave. Updated all the time, hence the room for
-- updates that touch no index.
create table ops.rate (
    bot     text primary key,
    next_at timestamptz not null
) with (fillfactor = 50);

-- Reserves n requests of a bot, which may send per_second of them, and returns when the first may
-- leave (the others follow 1/per_second apart). It holds the bot's row until the end of the
-- transaction: call it on its own.
create function ops.rate_take(bot text, n int default 1, per_second numeric default 30)
returns timestamptz
language sql
as $$
    insert into ops.rate as rate (bot, next_at)
    values (rate_take.bot, clock_timestamp() + rate_take.n / rate_take.per_second * interval '1 s')
    on conflict on constraint rate_pkey do update
        set next_at = greatest(rate.next_at, clock_timestamp())
                      + rate_take.n / rate_take.per_second * interval '1 s'
    returning rate.next_at - rate_take.n / rate_take.per_second * interval '1 s'
$$;
