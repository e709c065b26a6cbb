-- name: forget_building
-- $1 now. What was begun and never turned into an invoice.
delete from cashier.building_invoice where expire_date <= $1::timestamptz;

-- name: expire
-- $1 now. Nobody paid: everything that had come in by then was read after the invoice's end. One
-- that is being settled at this moment is waited for, and then is PAYING no more, or still is.
update cashier.crypto_invoice i
   set status = 'EXPIRED', expired_at = $1::timestamptz
  from cashier.tron_address a
 where i.status = 'PAYING' and i.expire_date <= $1
   and a.address = i.address and a.checked_at > i.expire_date
   and not cashier.is_paid(i.id)
returning i.id;

-- name: close
-- $1 now. Addresses whose invoices are all over are free in a day, in which late money may come.
update cashier.tron_address a
   set free_at = $1::timestamptz + interval '24 hours'
 where a.status = 'BUSY' and a.free_at is null
   and exists (select from cashier.crypto_invoice i where i.address = a.address)
   and not exists (select from cashier.crypto_invoice i
                    where i.address = a.address
                      and i.status in ('PAYING', 'PAID', 'CONFIRMED'));

-- name: free
-- $1 now
update cashier.tron_address a
   set status = 'FREE'
 where a.status = 'BUSY' and a.free_at <= $1::timestamptz
   and not exists (select from cashier.crypto_invoice i
                    where i.address = a.address
                      and i.status in ('PAYING', 'PAID', 'CONFIRMED'));
