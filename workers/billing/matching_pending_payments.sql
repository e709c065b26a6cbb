-- name: match
-- $1 a page of the provider's succeeded payments, $2 now, $3 zone, $4 administrators' chat. An
-- expired or canceled row whose money came after all is as good as a pending one.
with ours as materialized (
    select item
      from jsonb_array_elements($1::jsonb -> 'items') as item
      join billing.payment p on p.provider_payment_id = item ->> 'id' and p.status <> 'SUCCEEDED'
)
select item ->> 'id', settled.*
  from ours, lateral billing.settle(item, null, $2, $3, $4) as settled;

-- name: claim_checks
-- $1 now, $2 rows at most. The next question is put off before the first is asked, so that neither
-- a crash nor a failing answer makes it come round in this run; in one of the next it may.
with due as materialized (
    select id
      from billing.payment
     where (status = 'PENDING' or (status = 'EXPIRED' and next_check_at is not null))
       and provider_payment_id is not null
       and coalesce(next_check_at, created_at) <= $1::timestamptz
     order by coalesce(next_check_at, created_at), id
     limit $2
       for no key update skip locked
)
update billing.payment p
   set next_check_at = $1::timestamptz + interval '1 minute'
  from due
 where p.id = due.id
returning p.id, p.provider_payment_id;

-- name: record_answer
-- $1 payment, $2 now. The next question waits for half of the payment's age. Expired payments are
-- asked about until they are three months old.
update billing.payment
   set next_check_at = case
           when status = 'PENDING'
           then $2::timestamptz + greatest(interval '1 minute',
                                           least(($2 - created_at) / 2, interval '6 hours'))
           when created_at > $2 - interval '90 days'
           then $2 + greatest(interval '1 day', ($2 - created_at) / 2) end
 where id = $1 and status in ('PENDING', 'EXPIRED');
