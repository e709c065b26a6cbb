-- name: expire
-- $1 now, $2 days of grace. Whether a charge is open is asked once the subscription is locked, so
-- that a charge which is being made at this moment is seen. Where renewal could be tried and was
-- not, since nothing ran for days, it gets one more day.
with due as materialized (
    select id
      from billing.subscription s
     where status = 'ACTIVE'
       and ended_at <= $1::timestamptz - make_interval(hours => 24 * $2::int)
       and not (ended_at > $1 - make_interval(hours => 24 * $2::int + 24) and billing.is_untried(s))
       for no key update skip locked
), expired as (
    update billing.subscription s
       set status = 'EXPIRED', updated_at = $1
      from due
     where s.id = due.id and not billing.charge_is_open(s.id, $1)
    returning s.user_id, s.tariff_id
)
select (select count(*) from due), count(*),
       coalesce(sum(billing.tell(user_id, format('Срок подписки «%s» истёк.',
                                                 billing.html(tariff.name)))), 0)
  from expired join billing.tariff on tariff.id = expired.tariff_id;

-- name: left_over
-- $1 now, $2 days of grace. What expire would take and somebody else had locked.
select count(*)
  from billing.subscription s
 where status = 'ACTIVE'
   and ended_at <= $1::timestamptz - make_interval(hours => 24 * $2::int)
   and not (ended_at > $1 - make_interval(hours => 24 * $2::int + 24) and billing.is_untried(s))
   and not billing.charge_is_open(id, $1);
