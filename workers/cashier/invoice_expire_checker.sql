-- name: forget_building
-- $1 now. What was begun and never turned into an invoice.
delete from cashier.building_invoice where expire_date <= $1::timestamptz;

-- name: expire
-- $1 now
select cashier.expire($1::timestamptz);

-- name: close
-- $1 now
select cashier.close_addresses($1::timestamptz);

-- name: free
-- $1 now
select cashier.free_addresses($1::timestamptz);
