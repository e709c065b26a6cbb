-- name: unpaid
-- $1 last id, $2 how many at most
select id, vendista_login_encrypted, vendista_password_encrypted
  from coffee.users
 where active and vendista_payment_status = 'payment_required' and id > $1
   and vendista_login_encrypted is not null and vendista_password_encrypted is not null
 order by id
 limit $2;

-- name: reactivate
-- $1 user, $2 new token, encrypted, $3 administrators' chat or ''
with active as (
    update coffee.users
       set vendista_payment_status = 'active', vendista_payment_notified_at = null,
           vendista_token_encrypted = $2, token_status = 'valid'
     where id = $1 and vendista_payment_status = 'payment_required'
    returning id, name
)
select count(*), coalesce(sum(ops.tell('coffee', nullif($3, '')::bigint, format(
           'Vendista снова работает для «%s» (пользователь %s): загрузка возобновлена.',
           coffee.label(name), id))), 0)
  from active;
