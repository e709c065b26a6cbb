-- name: span
-- $1 now, $2 days. How many payments must be asked about, and when the provider may have made them.
select count(*), billing.rfc3339(date_trunc('second', min(created_at)) - interval '1 day'),
       billing.rfc3339(date_trunc('second', max(created_at)) + interval '1 day')
  from billing.payment
 where status = 'PENDING' and provider_payment_id is not null
   and created_at < $1::timestamptz - make_interval(hours => 24 * $2::int);

-- name: look_up
-- $1 a page of the provider's payments, $2 now, $3 zone, $4 administrators' chat
with ours as materialized (
    select p.id, item
      from jsonb_array_elements($1::jsonb -> 'items') as item
      join billing.payment p on p.provider_payment_id = item ->> 'id' and p.status = 'PENDING'
), noted as (
    update billing.payment p
       set unpaid_at = $2
      from ours
     where p.id = ours.id and ours.item ->> 'status' not in ('succeeded', 'canceled')
)
select item ->> 'id', settled.*
  from ours, lateral billing.settle(item, null, $2, $3, $4) as settled
 where item ->> 'status' in ('succeeded', 'canceled');

-- name: unasked
-- $1 now, $2 days, $3 and $4 the last row seen, $5 rows at most
select id, provider_payment_id, created_at
  from billing.payment
 where status = 'PENDING' and provider_payment_id is not null
   and created_at < $1::timestamptz - make_interval(hours => 24 * $2::int)
   and (created_at, id) > ($3, $4)
   and unpaid_at is distinct from $1
 order by created_at, id
 limit $5;

-- name: record_unpaid
-- $1 payment, $2 now, $3 the provider's payment. One that is paid may still be PENDING after it was
-- settled: nobody knows yet for what.
update billing.payment
   set unpaid_at = $2
 where id = $1 and status = 'PENDING' and $3::jsonb ->> 'status' not in ('succeeded', 'canceled');

-- name: record_not_found
-- $1 payment, $2 now
update billing.payment set unknown_at = $2 where id = $1 and status = 'PENDING';

-- name: expire
-- $1 now, $2 days, $3 did the provider settle any payment of ours in this run. Only what the
-- provider said, in this run, is not paid; a payment that never reached the provider needs no
-- asking. A shop that knows none of our payments may be the wrong one, so for a month that is not
-- believed; a run goes on where another was cut short, so what that one heard counts for an hour.
-- Expired payments are asked about once more tomorrow (matching_pending_payments).
with shop as materialized (
    select $3::boolean
           or exists (select from billing.payment
                       where (status = 'PENDING'
                              or (status = 'EXPIRED' and next_check_at is not null))
                         and unpaid_at > $1::timestamptz - interval '1 hour') as is_ours
), expired as (
    update billing.payment
       set status = 'EXPIRED', updated_at = $1,
           next_check_at = case when provider_payment_id is not null
                                then $1::timestamptz + interval '1 day' end,
           error = coalesce(error, format('not paid within %s days', $2::int))
      from shop
     where status = 'PENDING'
       and created_at < $1::timestamptz - make_interval(hours => 24 * $2::int)
       and (unpaid_at = $1 or provider_payment_id is null
            or (unknown_at = $1
                and (shop.is_ours
                     or created_at < $1 - make_interval(hours => 24 * $2::int, days => 30))))
    returning provider_payment_id
), closed as (
    update billing.autopayment a
       set state = 'EXPIRED',
           history = billing.attempt(a, $1, 'expired', a.provider_payment_id, null)
      from expired
     where a.provider_payment_id = expired.provider_payment_id and a.state = 'PENDING'
)
select count(*),
       (select count(*) from billing.payment, shop
         where status = 'PENDING' and unknown_at = $1::timestamptz and not shop.is_ours
           and created_at between $1 - make_interval(hours => 24 * $2::int, days => 30)
                              and $1 - make_interval(hours => 24 * $2::int))
  from expired;
