-- name: owner
-- $1 user, $2 what, $3 since or null, $4 now or null, $5 zone of the service's times. Where the
-- span ends is fixed here, before the first page: what is sold meanwhile is for the next import.
with span as (
    select case $2::text
               when 'last24h' then at - interval '24 hours'
               when 'daily' then coffee.day_start(at) - interval '1 day'
               when 'weekly' then coffee.day_start(at) - interval '7 days'
               when 'history' then $3::date::timestamp at time zone 'Europe/Moscow'
           end as starts, at + interval '1 second' as ends
      from coalesce($4::timestamptz, now()) at
)
select active, vendista_payment_status = 'payment_required', vendista_login_encrypted,
       vendista_password_encrypted, vendista_token_encrypted,
       to_char(starts at time zone $5, 'YYYY-MM-DD"T"HH24:MI:SS'),
       to_char(ends at time zone $5, 'YYYY-MM-DD"T"HH24:MI:SS'),
       ends - interval '1 second'
  from coffee.users, span
 where id = $1;

-- name: store_sales
-- $1 user, $2 page, $3 ids of its items, $4 is historical, $5 when the import began, $6 zone
select seen, stored, refused, written_off, returned, tasks, told
  from coffee.store_sales($1, $2, $3, $4, $5::timestamptz - interval '24 hours', $6, $5);

-- name: store_terminals
-- $1 user, $2 page, $3 is last, $4 when the import began, $5 zone
select seen, changed, 0, 0, 0, 0, 0
  from coffee.store_terminals($1, $2::jsonb, $3, $5, $4);

-- name: settle
-- $1 user, $2 when the import began. Sales that waited for their recipe.
select 0, 0, 0, written_off, returned, tasks, told
  from coffee.settle($1, $2);

-- name: payment_required
-- $1 user, $2 administrators' chat or '', $3 when the import began
select coffee.payment_required($1, nullif($2, '')::bigint, $3);

-- name: token_works
-- $1 user. Who was refused once is imported like the others again.
update coffee.users set token_status = 'valid' where id = $1 and token_status <> 'valid';

-- name: record
-- $1 host, $2 pid, $3 milliseconds that it took, $4 exit code, $5 stats, $6 error or null. An
-- import is a run, too: one user's failure is to be seen where runs are looked up.
insert into ops.run (app, worker, host, pid, tick_at, started_at, finished_at, exit_code, stats,
                     error)
select 'coffee', 'vendista_import_worker', $1, $2::int, began, began, clock_timestamp(), $4::int,
       $5::jsonb, $6
  from (select clock_timestamp() - make_interval(secs => $3::float8 / 1000)) as import (began)
on conflict (app, worker, tick_at) do nothing;
