-- name: stop_unpayable
-- $1 now, $2 zone. Due, but the provider never saved a way to charge them.
with due as materialized (
    select s.id
      from billing.subscription s
     where s.status = 'ACTIVE' and s.auto_renew
       and s.ended_at < billing.day_end($1::timestamptz, $2)
       and billing.saved_method(s.id) is null
       for no key update skip locked
), stopped as (
    update billing.subscription s
       set auto_renew = false, renewal_stopped_reason = refusal.reason, updated_at = $1
      from due, billing.refusal
     where s.id = due.id and refusal.reason = 'no_payment_method'
       and not billing.charge_is_open(s.id, $1)
    returning s.id, s.user_id, s.tariff_id, refusal.said
)
select stopped.id,
       billing.tell(user_id, format('Подписку «%s» нельзя продлить автоматически: %s. '
                                    'Чтобы продолжить, оплатите её заново.',
                                    billing.html(tariff.name), said))
  from stopped join billing.tariff on tariff.id = stopped.tariff_id;

-- name: forgotten
-- $1 now. Charges whose key must not be used any more: the provider may have forgotten it, or the
-- subscription is no longer to be charged for this period. They are marked, so that only what the
-- list was read for can be missing in it. It is read from a day before them on: clocks differ.
with mark as materialized (
    select gen_random_uuid() as run
), marked as (
    update billing.autopayment a
       set looked_for = mark.run
      from mark, billing.subscription s
     where a.state = 'CREATED' and s.id = a.subscription_id
       and (not billing.key_is_young(a, $1::timestamptz)
            or (not billing.is_wanted(s, a.period_end) and a.next_attempt_at <= $1))
    returning least(key_created_at, key_made_at) as since
)
select count(since), billing.rfc3339(date_trunc('second', min(since)) - interval '25 hours'), run
  from mark left join marked on true
 group by run;

-- name: look_up
-- $1 a page of the provider's payments, $2 now, $3 zone, $4 administrators' chat
with ours as materialized (
    select item
      from jsonb_array_elements($1::jsonb -> 'items') as item
     where billing.charge_of(item, null) is not null
)
select item ->> 'id', settled.*
  from ours, lateral billing.settle(item, null, $2, $3, $4) as settled;

-- name: not_found
-- $1 now, $2 the mark. All of the provider's payments were read: what is still open here was never
-- made there. A key that the provider may remember could yet be acted upon, so none follows it.
update billing.autopayment a
   set state = case when billing.key_is_young(a, $1::timestamptz) then 'EXPIRED' else 'RETRY' end,
       next_attempt_at = $1, last_error = 'the provider knows no such payment',
       history = billing.attempt(a, $1, 'not found', null, null)
 where state = 'CREATED' and looked_for = $2
returning subscription_id, idempotence_key, state;

-- name: unfinished
-- $1 now, $2 the last row seen, $3 rows at most. What an earlier run left open and is still wanted,
-- which is true under the subscription's lock, like all that is claimed.
select a.id, a.idempotence_key, a.request, a.subscription_id, a.amount, a.currency
  from billing.autopayment a join billing.subscription s on s.id = a.subscription_id
 where a.state = 'CREATED' and a.id > $2
   and a.next_attempt_at <= $1::timestamptz
   and billing.key_is_young(a, $1)
   and billing.is_wanted(s, a.period_end)
 order by a.id
 limit $3
   for no key update of s skip locked;

-- name: claim
-- $1 now, $2 zone, $3 rows at most. Everything about the subscription is true under its lock, and
-- whether it is being charged is asked again once it is locked.
with due as materialized (
    select s, billing.saved_method(s.id) as payment_method_id, gen_random_uuid() as key
      from billing.subscription s
     where s.status = 'ACTIVE' and s.auto_renew
       and s.ended_at < billing.day_end($1::timestamptz, $2)
       and not exists (select from billing.autopayment a
                        where a.subscription_id = s.id and a.period_end = s.ended_at
                          and not (a.state = 'RETRY' and a.next_attempt_at <= $1))
       and not billing.charge_is_open(s.id, $1)
       and billing.saved_method(s.id) is not null
     order by s.ended_at, s.id
     limit $3
       for no key update of s skip locked
)
insert into billing.autopayment as a
       (subscription_id, period_end, tariff_id, idempotence_key, key_created_at, request, amount,
        currency, payment_method_id, next_attempt_at)
select (s).id, (s).ended_at, t.id, key, $1, billing.charge_request(s, t, payment_method_id, key),
       t.price, t.currency, payment_method_id, $1
  from due join billing.tariff t on t.id = (s).tariff_id
 where not billing.charge_is_open((s).id, $1)
on conflict (subscription_id, period_end) do update
   set tariff_id = excluded.tariff_id, idempotence_key = excluded.idempotence_key,
       key_created_at = excluded.key_created_at, key_made_at = excluded.key_made_at,
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

-- name: record_denied
-- $1 autopayment, $2 key, $3 now, $4 why. Nobody is let in, so there is nothing to wait for.
update billing.autopayment a
   set attempts = attempts + 1, last_error = $4,
       history = billing.attempt(a, $3, 'denied', null, $4)
 where id = $1 and idempotence_key = $2 and state = 'CREATED';

-- name: record_refused
-- $1 autopayment, $2 key, $3 why, $4 now, $5 zone
select null, 'refused', subscription_id, billing.refuse(id, null, $3, $4, $5)
  from billing.autopayment
 where id = $1 and idempotence_key = $2 and state = 'CREATED';

-- name: still_open
select count(*) from billing.autopayment where state = 'CREATED';

-- name: left_over
-- $1 now, $2 zone. Due ones that were not claimed: because somebody else had locked them, and
-- because a payment for them is open.
select count(*) filter (where not held), count(*) filter (where held)
  from (select billing.charge_is_open(s.id, $1) as held
          from billing.subscription s
         where s.status = 'ACTIVE' and s.auto_renew
           and s.ended_at < billing.day_end($1::timestamptz, $2)
           and not exists (select from billing.autopayment a
                            where a.subscription_id = s.id and a.period_end = s.ended_at
                              and not (a.state = 'RETRY' and a.next_attempt_at <= $1))) as due;
