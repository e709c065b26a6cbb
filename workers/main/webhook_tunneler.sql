-- webhook_tunneler: what it leaves for others, and for its next life.

-- name: lock
-- One of all hosts keeps the webhook; the lock goes with the session.
select pg_try_advisory_lock(hashtextextended('main/webhook_tunneler', 0));

-- name: opened
-- $1 type, $2 public address, $3 pid of the tunnel or null, $4 when it was started, $5 its command
insert into main.webhook (id, type, url, pid, tunnel_start, tunnel_command)
values (1, $1, $2, $3::int, $4, $5)
on conflict (id) do update
   set type = excluded.type, url = excluded.url, pid = excluded.pid,
       tunnel_start = excluded.tunnel_start, tunnel_command = excluded.tunnel_command,
       healthy = false;

-- name: checked
-- $1 whether all is well, $2 why not, or null: the last error stays until there is another
update main.webhook
   set checked_at = now(), healthy = $1::boolean, last_error = coalesce($2, last_error)
 where id = 1;
