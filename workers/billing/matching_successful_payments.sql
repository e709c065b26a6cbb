-- name: match
-- $1 a page of the provider's succeeded payments, $2 now, $3 zone, $4 administrators' chat. A
-- payment that is here in any status is matching_pending_payments' affair.
with missing as materialized (
    select item
      from jsonb_array_elements($1::jsonb -> 'items') as item
     where item ->> 'id' is not null
       and not exists (select from billing.payment p where p.provider_payment_id = item ->> 'id')
       and not exists (select from billing.unmatched_payment u
                        where u.provider_payment_id = item ->> 'id')
)
select item ->> 'id', settled.*
  from missing, lateral billing.settle(item, null, $2, $3, $4) as settled;
