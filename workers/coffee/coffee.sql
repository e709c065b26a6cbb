-- What the workers of coffee share: an owner's credentials and what becomes of them.

-- name: slot
-- $1 host, $2 pause between two requests, $3 pause before this one, both in milliseconds. Reserves
-- the host's next request to Vendista and returns how many milliseconds it is away, whichever
-- process asks.
with pause as materialized (
    select make_interval(secs => $2::float8 / 1000) as between_two,
           clock_timestamp() + make_interval(secs => $3::float8 / 1000) as earliest
), slot as (
    insert into coffee.vendista_slot as s (host, next_at)
    select $1, earliest + between_two from pause
    on conflict (host) do update
       set next_at = greatest(excluded.next_at, s.next_at + (select between_two from pause))
    returning next_at - (select between_two from pause) as starts_at
)
select greatest(0, ceil(extract(epoch from starts_at - clock_timestamp()) * 1000))::bigint
  from slot;

-- name: token_valid
-- $1 user, $2 new token, encrypted
update coffee.users
   set vendista_token_encrypted = $2, token_status = 'valid'
 where id = $1;

-- name: token_refused
-- $1 user, $2 administrators' chat or '', $3 why. Told once: the status is the mark.
with refused as (
    update coffee.users set token_status = 'invalid_creds'
     where id = $1 and token_status <> 'invalid_creds'
    returning id, name
)
select coalesce(sum(ops.tell('coffee', nullif($2, '')::bigint, format(
           'Vendista не принимает логин и пароль «%s» (пользователь %s): %s',
           coffee.label(name), id, coffee.label($3)))), 0)
  from refused;
