-- Locks are taken in one order by everybody, so that nobody waits in a circle:
--
--   1. the customer      accesser.lock_customer: what he buys, has, and is banned from
--   2. addresses         by address; an address guards the state of its invoices up to CONFIRMED
--   3. invoices          by id
--   4. accesses          by id; an access guards its links, what is due of them, its revocations
--   5. chats             by id
--   6. what hangs on them: transactions, redemptions, links, bans, revocations; and jobs
--
-- Whoever needs several of a kind locks them first and looks again, since what he saw before may
-- not be so any more. No lock is stronger than FOR NO KEY UPDATE but on a row that is deleted, so
-- that references (FOR KEY SHARE) never wait.

-- All about one invoice.
create function cashier.hold(invoice_id bigint) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    held cashier.crypto_invoice;
begin
    -- Neither customer nor address ever changes.
    select i.* into held from cashier.crypto_invoice i where i.id = invoice_id;
    perform accesser.lock_customer(held.customer_id);
    perform from cashier.tron_address a where a.address = held.address for no key update;
    perform from cashier.crypto_invoice i where i.id = invoice_id for no key update;
    perform from accesser.access a
     where a.id in (held.access_id,
                    (select r.access_id from accesser.redemption r where r.invoice_id = held.id))
     order by a.id
       for no key update;
end
$$;

-- --- the end of an invoice ---

-- Gives up what nobody paid: everything that had come in by then was read after the invoice's end.
-- Returns those that are over.
create function cashier.expire(now timestamptz) returns setof bigint
language plpgsql as $$
begin
    perform from cashier.tron_address a
     where a.address in (select i.address from cashier.crypto_invoice i
                          where i.status = 'PAYING' and i.expire_date <= expire.now)
     order by a.address
       for no key update;
    return query
        update cashier.crypto_invoice i
           set status = 'EXPIRED', expired_at = expire.now
          from cashier.tron_address a
         where i.status = 'PAYING' and i.expire_date <= expire.now
           and a.address = i.address and a.checked_at > i.expire_date
           and not cashier.is_paid(i.id)
        returning i.id;
end
$$;

-- Addresses whose invoices are all over are free in a day, in which late money may come. Returns
-- them.
create function cashier.close_addresses(now timestamptz) returns setof text
language plpgsql as $$
begin
    perform from cashier.tron_address a
     where a.status = 'BUSY' and a.free_at is null and not cashier.is_awaited(a.address)
     order by a.address
       for no key update;
    return query
        update cashier.tron_address a
           set free_at = close_addresses.now + interval '24 hours'
         where a.status = 'BUSY' and a.free_at is null and not cashier.is_awaited(a.address)
           and exists (select from cashier.crypto_invoice i where i.address = a.address)
        returning a.address;
end
$$;

-- And that day is over. Returns them.
create function cashier.free_addresses(now timestamptz) returns setof text
language plpgsql as $$
begin
    perform from cashier.tron_address a
     where a.status = 'BUSY' and a.free_at <= free_addresses.now
     order by a.address
       for no key update;
    return query
        update cashier.tron_address a
           set status = 'FREE'
         where a.status = 'BUSY' and a.free_at <= free_addresses.now
           and not cashier.is_awaited(a.address)
        returning a.address;
end
$$;
