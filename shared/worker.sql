-- The runtime's own statements: who runs a worker (a session advisory lock), and which ticks are
-- done (ops.run).

-- name: lock
-- $1 lock name
select pg_try_advisory_lock(hashtextextended($1, 0));

-- name: clock
-- Milliseconds since 1970 by the database's clock.
select (extract(epoch from clock_timestamp()) * 1000)::bigint;

-- name: unlock
-- The end of the session would do it too, but only once the server has noticed that.
-- $1 lock name
select pg_advisory_unlock(hashtextextended($1, 0));

-- name: holder
-- Whoever has the lock: as it wrote itself into ops.run or, in the moment before it does, as the
-- server sees it. pg_locks shows a 64-bit key as two halves.
-- $1 lock name, $2 app, $3 worker
select coalesce(run.host, host(session.client_addr), 'a host without a name'),
       coalesce(run.pid, 0),
       to_char(coalesce(run.started_at, session.backend_start), 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
from pg_locks held
join pg_stat_activity session on session.pid = held.pid
left join ops.run on run.app = $2 and run.worker = $3 and run.backend_pid = held.pid
    and run.finished_at is null and run.started_at >= session.backend_start
where held.locktype = 'advisory' and held.granted and held.objsubid = 1
  and held.database = session.datid and session.datname = current_database()
  and held.classid = ((hashtextextended($1, 0) >> 32) & 4294967295)::oid
  and held.objid = (hashtextextended($1, 0) & 4294967295)::oid
order by run.id desc
limit 1;

-- name: claim
-- No row: the tick is done. The lock is held, so a row that is not done belongs to nobody alive.
-- A run by hand has no tick: it is its own.
-- $1 app, $2 worker, $3 tick or null, $4 host, $5 pid
insert into ops.run (app, worker, tick_at, host, pid)
values ($1, $2, coalesce($3::timestamptz, clock_timestamp()), $4, $5::int)
on conflict (app, worker, tick_at) do update
    set attempt = run.attempt + 1, host = excluded.host, pid = excluded.pid,
        backend_pid = excluded.backend_pid, started_at = excluded.started_at,
        finished_at = null, exit_code = null, stats = null, error = null
    where run.exit_code is distinct from 0
returning id, attempt;

-- name: finish
-- $1 id, $2 attempt, $3 exit code, $4 stats, $5 error or null
update ops.run
set finished_at = clock_timestamp(), exit_code = $3::int, stats = $4::jsonb, error = $5
where id = $1::bigint and attempt = $2::int;
