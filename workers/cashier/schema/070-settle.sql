-- What the chain says becomes what the invoices say. Every change of an invoice by a transfer goes
-- through cashier.settle, which one run at a time calls; it may be cut short or repeated anywhere.

-- Until when money for an invoice is looked for: a day longer than it may be paid.
create function cashier.watched_until(i cashier.crypto_invoice) returns timestamptz
language sql stable as $$
    select case when i.status in ('PAYING', 'PAID', 'CONFIRMED') then 'infinity'
                else coalesce(i.expired_at, i.confirmed_date, i.expire_date)
                     + interval '24 hours' end
$$;
create index crypto_invoice_closed
    on cashier.crypto_invoice (coalesce(expired_at, confirmed_date, expire_date))
    where status in ('EXPIRED', 'REDEEMED');

create function cashier.is_paid(invoice_id bigint) returns boolean
language sql stable as $$
    select exists (select from cashier.crypto_transaction t
                    where t.invoice_id = is_paid.invoice_id and t.pays)
$$;

-- True when so much money, moved to its address at that time, pays it if nothing else does.
-- An expired invoice is paid by what was in time and seen late.
create function cashier.fits(i cashier.crypto_invoice, amount numeric, at timestamptz)
returns boolean
language sql immutable as $$
    select i.amount = fits.amount
       and (i.status in ('PAYING', 'PAID') or (i.status = 'EXPIRED' and at <= i.expire_date))
$$;

-- The invoice that money which nobody saw before belongs to: the oldest that it pays, open ones
-- first; else the youngest that it may have been meant for, which it does not pay. No row: it was
-- there before any of them.
create function cashier.invoice_for(
    address text, amount numeric, at timestamptz, out invoice_id bigint, out pays boolean
)
returns setof record
language sql stable as $$
    select i.id, can.pay
      from cashier.crypto_invoice i,
           lateral (select cashier.fits(i, invoice_for.amount, at)
                           and not cashier.is_paid(i.id) as pay) as can
     where i.address = invoice_for.address and i.create_date <= at
       and cashier.watched_until(i) >= at
     order by can.pay desc, case when can.pay then i.status = 'EXPIRED' end,
              case when can.pay then i.create_date end, i.create_date desc, i.id
     limit 1
$$;

-- Money that pays nothing is somebody's decision. Returns how many jobs that made.
create function cashier.tell_admin(admin_chat text, i cashier.crypto_invoice,
                                   t cashier.crypto_transaction)
returns int
language sql as $$
    select ops.tell('shop', nullif(admin_chat, '')::bigint, format(
        E'Перевод не оплатил счёт %s: %s.\nПришло %s USDT, в счёте %s USDT.\nАдрес %s, '
        'транзакция %s',
        i.id,
        case when t.amount < i.amount then 'пришло меньше, чем в счёте'
             when t.amount > i.amount then 'пришло больше, чем в счёте'
             when i.status = 'EXPIRED' then 'он пришёл после срока'
             else 'счёт уже оплачен' end,
        trim_scale(t.amount), trim_scale(i.amount), ops.html(i.address), ops.html(t.txid)))
$$;

-- One transaction as the chain has it: what it moves to one address of ours, in USDT. on_chain is
-- false when it moves nothing there: it failed, or a fork took it away.
create type cashier.sighting as (
    address       text,
    txid          text,
    on_chain      boolean,
    from_address  text,
    amount        numeric,
    block_number  bigint,
    block_time    timestamptz,
    confirmations bigint,
    final         boolean
);

-- Known transactions as they are now. One that stops paying may be needed by nobody else, and one
-- that was told as superfluous may be what is left.
create function cashier.see_again(seen cashier.sighting[], addresses text[], required bigint)
returns void
language plpgsql as $$
begin
    update cashier.crypto_transaction t
       set from_address = case when s.on_chain then s.from_address else t.from_address end,
           amount = case when s.on_chain then s.amount else t.amount end,
           block_number = case when s.on_chain then s.block_number end,
           block_time = case when s.on_chain then s.block_time else t.block_time end,
           confirmations = s.confirmations, required = see_again.required, final = s.final,
           pays = t.pays and s.on_chain and s.amount = i.amount
      from unnest(seen) as s, cashier.crypto_invoice i
     where t.txid = s.txid and not t.final and i.id = t.invoice_id and i.address = s.address;

    update cashier.crypto_transaction t
       set pays = true
      from (select distinct on (i.id) t.id
              from cashier.crypto_invoice i
              join cashier.crypto_transaction t on t.invoice_id = i.id
             where i.address = any (addresses) and t.block_number is not null
               and cashier.fits(i, t.amount, t.block_time) and not cashier.is_paid(i.id)
             order by i.id, t.block_time, t.txid) as spare
     where t.id = spare.id;
end
$$;

-- New transactions, one after the other: what the first pays, the second does not.
create function cashier.see_new(seen cashier.sighting[], required bigint, now timestamptz)
returns void
language plpgsql as $$
declare
    s cashier.sighting;
begin
    for s in
        select u.* from unnest(seen) as u
         where u.on_chain
           and not exists (select from cashier.crypto_transaction t
                             join cashier.crypto_invoice i on i.id = t.invoice_id
                            where t.txid = u.txid and i.address = u.address)
         order by u.block_time, u.txid, u.address
    loop
        insert into cashier.crypto_transaction
                    (invoice_id, txid, from_address, amount, block_number, block_time,
                     confirmations, required, seen_at, pays, final)
        select i.invoice_id, s.txid, s.from_address, s.amount, s.block_number, s.block_time,
               s.confirmations, see_new.required, see_new.now, i.pays, s.final
          from cashier.invoice_for(s.address, s.amount, s.block_time) as i;
    end loop;
end
$$;

-- What the invoices at these addresses are, by the transactions that pay them. Returns those that
-- changed, with their new state.
create function cashier.follow(addresses text[], now timestamptz)
returns table (event text, invoice_id bigint)
language sql as $$
    with paid as (
        select i.id, i.status, t.id as payment, coalesce(t.final, false) as final
          from cashier.crypto_invoice i
          left join cashier.crypto_transaction t on t.invoice_id = i.id and t.pays
         where i.address = any (addresses)
           and (i.status in ('PAYING', 'PAID')
                or (i.status = 'EXPIRED' and t.block_time <= i.expire_date))
    ), due as (
        select id, case when payment is null then 'PAYING' when final then 'CONFIRMED'
                        else 'PAID' end as status
          from paid
    ), changed as (
        update cashier.crypto_invoice i
           set status = due.status, expired_at = null,
               confirmed_date = case when due.status = 'CONFIRMED' then follow.now end
          from due
         where i.id = due.id and i.status <> due.status
        returning i.id, i.status, i.address
    ), kept as (
        update cashier.tron_address a
           set status = 'BUSY', free_at = null
          from changed
         where a.address = changed.address and (a.status <> 'BUSY' or a.free_at is not null)
    ), told as (
        select id, status, case when status = 'CONFIRMED'
                                then pg_notify('cashier_confirmed', id::text) end
          from changed
    )
    select status, id from told
$$;

-- The one door. scans: [{"address", "whole"}], whole when everything about the address was read;
-- seen: an array of sightings; now: when the scans began. Whoever settles has the addresses and
-- their invoices for himself. Returns what happened, for the log: an invoice's new state, or
-- "unassigned" for money that pays nothing, which administrators hear of once.
create function cashier.settle(
    scans jsonb, seen jsonb, required bigint, now timestamptz, admin_chat text
)
returns table (event text, invoice_id bigint, txid text, jobs int)
language plpgsql as $$
declare
    addresses text[] := array(select s ->> 'address' from jsonb_array_elements(scans) as s);
    sightings cashier.sighting[] := array(select r
        from jsonb_populate_recordset(null::cashier.sighting, seen) as r);
begin
    perform from cashier.tron_address a
     where a.address = any (addresses) order by a.address for no key update;
    perform from cashier.crypto_invoice i
     where i.address = any (addresses) and i.status in ('PAYING', 'PAID', 'EXPIRED')
     order by i.id for no key update;

    perform cashier.see_again(sightings, addresses, required);
    perform cashier.see_new(sightings, required, now);
    return query select f.event, f.invoice_id, null::text, 0
                   from cashier.follow(addresses, settle.now) as f;
    return query
        with stray as (
            update cashier.crypto_transaction t
               set alerted_at = settle.now
              from cashier.crypto_invoice i
             where i.id = t.invoice_id and i.address = any (addresses)
               and not t.pays and t.block_number is not null and t.alerted_at is null
            returning t, i
        )
        select 'unassigned', (i).id, (t).txid, cashier.tell_admin(admin_chat, i, t) from stray;

    update cashier.tron_address a
       set checked_at = settle.now
      from jsonb_to_recordset(scans) as s (address text, whole boolean)
     where a.address = s.address and s.whole;
end
$$;
