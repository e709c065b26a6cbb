-- name: paid
-- $1 purchase, $2 now, $3 who says so
select state, tgadmin.payment_refusal($1, state)
from tgadmin.purchase_paid($1::bigint, $2::timestamptz, $3) state;
