-- How a customer comes by an invoice and lets go of it. There are few addresses and many people, so
-- that what one person may keep others from is bounded: a few open invoices, and never more
-- addresses than those. An address waits for late money for a day after its invoice is over; for
-- that day it is kept for the same customer, whose next invoice gets it.

-- A person pays one at a time, and forgets some on the way while he compares plans. Three of these
-- are plenty; and whoever wants a pool of a hundred addresses for himself needs 34 accounts.
create function cashier.open_invoices_max() returns int
language sql immutable parallel safe as $$ select 3 $$;

-- Whether money is awaited at an address.
create function cashier.is_awaited(address text) returns boolean
language sql stable as $$
    select exists (select from cashier.crypto_invoice i
                    where i.address = is_awaited.address
                      and i.status in ('PAYING', 'PAID', 'CONFIRMED'))
$$;

-- Whether an address waits for late money for an invoice of the customer's, and for nothing else.
create function cashier.is_kept_for(customer_id bigint, address cashier.tron_address)
returns boolean
language sql stable as $$
    select address.status = 'BUSY' and not cashier.is_awaited(address.address)
           and (select i.customer_id = is_kept_for.customer_id and i.status = 'EXPIRED'
                  from cashier.crypto_invoice i
                 where i.address = address.address
                 order by i.id desc
                 limit 1)
$$;

-- The address for the next invoice of a customer whose lock is held: one that is kept for him, or
-- the one that is free for the longest time, so that stray money of its last invoice is least
-- likely. Two customers never wait for each other: who comes second takes the next. Null: none is
-- free.
create function cashier.take_address(customer_id bigint) returns text
language plpgsql as $$
#variable_conflict use_variable
declare
    chosen text;
begin
    perform from cashier.tron_address a
     where a.address in (select i.address from cashier.crypto_invoice i
                          where i.customer_id = customer_id and i.status = 'EXPIRED')
       and cashier.is_kept_for(customer_id, a)
     order by a.address
       for no key update;
    -- Somebody may have had them until now.
    select min(i.address) into chosen
      from cashier.crypto_invoice i
      join cashier.tron_address a on a.address = i.address
     where i.customer_id = customer_id and i.status = 'EXPIRED'
       and cashier.is_kept_for(customer_id, a);
    if chosen is null then
        select a.address into chosen
          from cashier.tron_address a
         where a.status = 'FREE'
         order by a.free_at nulls first, a.address
         limit 1
           for no key update skip locked;
    end if;
    update cashier.tron_address a
       set status = 'BUSY', free_at = null
     where a.address = chosen;
    return chosen;
end
$$;

-- An invoice to be paid within the hour; null when no address is free.
create or replace function cashier.open_invoice(
    customer_id bigint, plan_id bigint, access_id bigint, now timestamptz
)
returns cashier.crypto_invoice
language plpgsql as $$
declare
    made   cashier.crypto_invoice;
    chosen text;
begin
    perform accesser.lock_customer(customer_id);
    chosen := cashier.take_address(customer_id);
    if chosen is null then
        return null;
    end if;
    insert into cashier.crypto_invoice
                (customer_id, plan_id, access_id, address, amount, create_date, expire_date)
    select open_invoice.customer_id, plan.id, open_invoice.access_id, chosen, plan.price,
           open_invoice.now, open_invoice.now + interval '60 minutes'
      from accesser.plan
     where plan.id = open_invoice.plan_id
    returning * into made;
    if made.id is null then
        raise foreign_key_violation using message = format('there is no plan %s', plan_id);
    end if;
    return made;
end
$$;

-- What comes of a press on "pay": `open`, the invoice to pay, new or there already for the same;
-- `over`, what he wants is not offered (any more); `enough`, he has as many unpaid ones as he may,
-- also those whose hour is over and that nobody could look after yet; `full`, no address is free.
create function cashier.pay(
    customer_id bigint, building_id bigint, access_id bigint, now timestamptz,
    out outcome text, out invoice_id bigint
)
language plpgsql as $$
#variable_conflict use_variable
declare
    wanted cashier.building_invoice;
begin
    perform accesser.lock_customer(customer_id);
    select b.* into wanted
      from cashier.building_invoice b
     where b.id = building_id and b.customer_id = customer_id and b.expire_date > now
       and (access_id is null
            or exists (select from accesser.access a
                        where a.id = access_id and a.customer_id = customer_id
                          and a.plan_id = b.plan_id));
    if not found then
        outcome := 'over';
        return;
    end if;
    select max(i.id) into invoice_id
      from cashier.crypto_invoice i
     where i.customer_id = customer_id and i.plan_id = wanted.plan_id
       and i.access_id is not distinct from access_id
       and i.status = 'PAYING' and i.expire_date > now;
    if invoice_id is not null then
        outcome := 'open';
    elsif (select count(*) from cashier.crypto_invoice i
            where i.customer_id = customer_id and i.status = 'PAYING')
          >= cashier.open_invoices_max() then
        outcome := 'enough';
    else
        invoice_id := (cashier.open_invoice(customer_id, wanted.plan_id, access_id, now)).id;
        outcome := case when invoice_id is null then 'full' else 'open' end;
    end if;
end
$$;

-- A customer's word that he will not pay. Not taken where money was seen. What he sent all the
-- same, in time, is seen as ever and revives the invoice; and its address is kept for a day.
-- Returns whether it is over now.
create function cashier.cancel(customer_id bigint, invoice_id bigint, now timestamptz)
returns boolean
language plpgsql as $$
#variable_conflict use_variable
begin
    if not exists (select from cashier.crypto_invoice i
                    where i.id = invoice_id and i.customer_id = customer_id) then
        return false;
    end if;
    perform cashier.hold(invoice_id);
    update cashier.crypto_invoice i
       set status = 'EXPIRED', expired_at = now
     where i.id = invoice_id and i.status = 'PAYING' and not cashier.is_paid(i.id);
    return found;
end
$$;
