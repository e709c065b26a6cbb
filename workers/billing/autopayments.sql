-- name: stop_unpayable
-- $1 now, $2 zone. Due, but the provider never saved a way to charge them.
with due as materialized (
    select s.id
      from billing.subscription s
     where s.status = 'ACTIVE' and s.auto_renew
       and s.ended_at < billing.day_end($1::timestamptz, $2)
       and not exists (select from billing.payment p
                        where p.subscription_id = s.id and p.status = 'SUCCEEDED'
                          and p.payment_method_id is not null)
       for no key update skip locked
), stopped as (
    update billing.subscription s
       set auto_renew = false, renewal_stopped_reason = refusal.reason, updated_at = $1
      from due, billing.refusal
     where s.id = due.id and refusal.reason = 'no_payment_method'
       and not billing.charge_is_open(s.id)
    returning s.id, s.user_id, s.tariff_id, refusal.said
)
select stopped.id,
       billing.tell(user_id, format('Подписку «%s» нельзя продлить автоматически: %s. '
                                    'Чтобы продолжить, оплатите её заново.',
                                    billing.html(tariff.name), said))
  from stopped join billing.tariff on tariff.id = stopped.tariff_id;

-- name: forgotten
-- $1 now. The provider remembers a key for 24 hours; an hour is left for clocks and slow runs.
select count(*), billing.rfc3339(date_trunc('second', min(key_created_at)) - interval '1 hour')
  from billing.autopayment
 where state = 'CREATED' and key_created_at <= $1::timestamptz - interval '23 hours';

-- name: look_up
-- $1 a page of the provider's payments, $2 now, $3 zone, $4 administrators' chat
with ours as materialized (
    select item
      from jsonb_array_elements($1::jsonb) as item
     where billing.charge_of(item, null) is not null
)
select item ->> 'id', settled.*
  from ours, lateral billing.settle(item, null, $2, $3, $4) as settled;

-- name: not_found
-- $1 now. All of the provider's payments were read: what is still open here was never made there.
update billing.autopayment a
   set state = 'RETRY', next_attempt_at = $1, last_error = 'the provider knows no such payment',
       history = billing.attempt(a, $1, 'not found', null, null)
 where state = 'CREATED' and key_created_at <= $1::timestamptz - interval '23 hours'
returning subscription_id, idempotence_key;

-- name: unfinished
-- $1 now, $2 the last row seen, $3 rows at most. What an earlier run left open.
select id, idempotence_key, request, subscription_id, amount, currency
  from billing.autopayment
 where state = 'CREATED' and id > $2
   and next_attempt_at <= $1::timestamptz
   and key_created_at > $1::timestamptz - interval '23 hours'
 order by id
 limit $3;

-- name: claim
-- $1 now, $2 zone, $3 rows at most. Everything about the subscription is true under its lock, and
-- whether it is being charged is asked again once it is locked.
with due as materialized (
    select s, method.payment_method_id
      from billing.subscription s
     cross join lateral (
           select p.payment_method_id
             from billing.payment p
            where p.subscription_id = s.id and p.status = 'SUCCEEDED'
              and p.payment_method_id is not null
            order by p.created_at desc, p.id desc
            limit 1) as method
     where s.status = 'ACTIVE' and s.auto_renew
       and s.ended_at < billing.day_end($1::timestamptz, $2)
       and not exists (select from billing.autopayment a
                        where a.subscription_id = s.id and a.period_end = s.ended_at
                          and not (a.state = 'RETRY' and a.next_attempt_at <= $1))
       and not billing.charge_is_open(s.id)
     order by s.ended_at, s.id
     limit $3
       for no key update of s skip locked
)
insert into billing.autopayment as a
       (subscription_id, period_end, idempotence_key, key_created_at, request, amount, currency,
        payment_method_id, next_attempt_at)
select (s).id, (s).ended_at, gen_random_uuid(), $1, billing.charge_request(s, t, payment_method_id),
       t.price, t.currency, payment_method_id, $1
  from due join billing.tariff t on t.id = (s).tariff_id
 where not billing.charge_is_open((s).id)
on conflict (subscription_id, period_end) do update
   set idempotence_key = excluded.idempotence_key, key_created_at = excluded.key_created_at,
       request = excluded.request, amount = excluded.amount, currency = excluded.currency,
       payment_method_id = excluded.payment_method_id, state = 'CREATED',
       next_attempt_at = excluded.next_attempt_at, provider_payment_id = null,
       -- Renewal was stopped at three; somebody has switched it on again.
       refused = case when a.refused >= 3 then 0 else a.refused end
 where a.state = 'RETRY' and a.next_attempt_at <= excluded.next_attempt_at
returning id, idempotence_key, request, subscription_id, amount, currency;

-- name: record_unknown
-- $1 autopayment, $2 key, $3 now, $4 why, $5 milliseconds that the provider asks us to wait
update billing.autopayment a
   set attempts = attempts + 1, last_error = $4,
       next_attempt_at = $3::timestamptz
                         + greatest(interval '1 minute', make_interval(secs => $5::float8 / 1000),
                                    least(($3 - key_created_at) / 2, interval '1 hour')),
       history = billing.attempt(a, $3, 'unknown', null, $4)
 where id = $1 and idempotence_key = $2 and state = 'CREATED';

-- name: record_refused
-- $1 autopayment, $2 key, $3 why, $4 now, $5 zone
select null, 'refused', subscription_id, billing.refuse(id, null, $3, $4, $5)
  from billing.autopayment
 where id = $1 and idempotence_key = $2 and state = 'CREATED';

-- name: still_open
select count(*) from billing.autopayment where state = 'CREATED';
