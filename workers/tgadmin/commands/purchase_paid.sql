-- name: paid
-- $1 purchase, $2 now, $3 who says so
select tgadmin.purchase_paid($1::bigint, $2::timestamptz, $3);
