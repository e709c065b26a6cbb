-- One link of an access lets somebody into a chat, not one for each payment that prolonged it: the
-- one before is revoked, at Telegram and here, before there is another. And locks are taken in the
-- order of cashier/schema/082-lock-order.sql.

-- spare: good beside another one, which counts. Older ones became that when there was to be one
-- only, and those of two chats that became one may; they go with the next revocation.
alter table accesser.invite_link add column spare boolean not null default false;
update accesser.invite_link l
   set spare = true
 where l.revoked_at is null
   and exists (select from accesser.invite_link later
                where later.access_id = l.access_id and later.chat_id = l.chat_id
                  and later.revoked_at is null and later.id > l.id);
create unique index invite_link_good on accesser.invite_link (access_id, chat_id)
    where revoked_at is null and not spare;

-- A link that lets nobody in any more. One that was never sent is not due any more either: the one
-- that takes its place is sent.
create function accesser.link_revoked(link_id bigint, at timestamptz) returns void
language plpgsql as $$
#variable_conflict use_variable
declare
    gone accesser.invite_link;
begin
    perform from accesser.access a
     where a.id = (select l.access_id from accesser.invite_link l where l.id = link_id)
       for no key update;
    update accesser.invite_link l
       set revoked_at = at
     where l.id = link_id and l.revoked_at is null
    returning l.* into gone;
    delete from accesser.link_due d
     where d.invoice_id = gone.invoice_id and d.chat_id = gone.chat_id;
end
$$;

-- --- as before, in the order of locks ---

-- Turns a confirmed payment into an access, or into more of one: an active one goes on from its
-- end, a revoked one starts anew. Returns the access, also when that was done before; null when the
-- invoice is not confirmed.
create or replace function accesser.redeem(invoice_id bigint, at timestamptz) returns bigint
language plpgsql as $$
#variable_conflict use_variable
declare
    invoice cashier.crypto_invoice;
    length  interval;
    made    bigint;
begin
    perform cashier.hold(invoice_id);
    select i.* into invoice
      from cashier.crypto_invoice i
     where i.id = invoice_id and i.status = 'CONFIRMED';
    if not found then
        return null;
    end if;
    select r.access_id into made from accesser.redemption r where r.invoice_id = invoice.id;
    if found then
        return made;
    end if;
    select make_interval(days => p.duration_days) into length
      from accesser.plan p
     where p.id = invoice.plan_id;
    if invoice.access_id is null then
        insert into accesser.access (customer_id, plan_id, invoice_id, start_date, end_date)
        values (invoice.customer_id, invoice.plan_id, invoice.id, at, at + length)
        on conflict on constraint access_invoice_id_key do update set active = true
        returning id into made;
    else
        update accesser.access a
           set start_date = case when a.active then a.start_date else at end,
               end_date = case when a.active and a.end_date + length > at
                               then a.end_date + length else at + length end,
               active = true, trial = false, revoked_date = null, expiry_notified_at = null
         where a.id = invoice.access_id
        returning a.id into made;
        delete from accesser.revocation r where r.access_id = made;
    end if;
    insert into accesser.redemption values (invoice.id, made, at);
    insert into accesser.link_due (invoice_id, chat_id, next_attempt_at)
    select invoice.id, p.chat_id, at
      from accesser.access a
      join accesser.plan_chat p on p.plan_id = a.plan_id
     where a.id = made;
    return made;
end
$$;

-- Decides what becomes of the customer of an access that is over in one of its chats: `ban`, which
-- is written down; `covered`, another access opens it; `prolonged`, it is not over any more.
create or replace function accesser.begin_ban(access_id bigint, chat_id bigint, at timestamptz)
returns text
language plpgsql as $$
#variable_conflict use_variable
declare
    access accesser.access;
    person bigint;
begin
    select a.customer_id, c.telegram_id into access.customer_id, person
      from accesser.access a
      join messenger.customer c on c.id = a.customer_id
     where a.id = access_id;
    perform accesser.lock_customer(access.customer_id);
    select a.* into access from accesser.access a where a.id = access_id for no key update;
    if access.active and not accesser.is_over(access, at) then
        delete from accesser.revocation r where r.access_id = access.id;
        return 'prolonged';
    end if;
    if accesser.is_covered(access.customer_id, chat_id, at) then
        return 'covered';
    end if;
    insert into accesser.ban (chat_id, user_id)
    values (chat_id, person)
    on conflict on constraint ban_pkey do update
        set asked_at = clock_timestamp(), done_at = null;
    return 'ban';
end
$$;

-- A chat that moved to one that is known already has two rows, and what is told by rows (who is
-- covered, banned, let in) would differ between them. So all that points to the one row points to
-- the other one, and the first is gone. Of what both have, the other's stays.
create or replace function accesser.merge_chats(here bigint, there bigint) returns void
language plpgsql as $$
begin
    perform from accesser.access a
     where a.id in (select l.access_id from accesser.invite_link l where l.chat_id = here
                     union
                    select r.access_id from accesser.revocation r where r.chat_id = here
                     union
                    select r.access_id
                      from accesser.link_due d
                      join accesser.redemption r on r.invoice_id = d.invoice_id
                     where d.chat_id = here)
     order by a.id
       for no key update;
    perform from accesser.chat c where c.id in (here, there) order by c.id for update;

    insert into accesser.plan_chat (plan_id, chat_id)
    select p.plan_id, there from accesser.plan_chat p where p.chat_id = here
    on conflict do nothing;
    delete from accesser.plan_chat p where p.chat_id = here;

    -- A payment has one link in one chat; another one still is the access's, and spare.
    update accesser.invite_link l
       set chat_id = there,
           spare = l.spare or exists (select from accesser.invite_link other
                                       where other.access_id = l.access_id
                                         and other.chat_id = there
                                         and other.revoked_at is null and not other.spare),
           invoice_id = case when not exists (select from accesser.invite_link other
                                               where other.invoice_id = l.invoice_id
                                                 and other.chat_id = there)
                             then l.invoice_id end
     where l.chat_id = here;

    insert into accesser.link_due
                (invoice_id, chat_id, owed, attempts, next_attempt_at, last_error)
    select d.invoice_id, there, d.owed, d.attempts, d.next_attempt_at, d.last_error
      from accesser.link_due d
     where d.chat_id = here
       and not exists (select from accesser.invite_link l
                        where l.invoice_id = d.invoice_id and l.chat_id = there
                          and l.sent_at is not null)
    on conflict do nothing;
    delete from accesser.link_due d where d.chat_id = here;

    insert into accesser.ban as b (chat_id, user_id, by_hand, asked_at, done_at)
    select there, old.user_id, old.by_hand, old.asked_at, old.done_at
      from accesser.ban old where old.chat_id = here
    on conflict on constraint ban_pkey do update set by_hand = b.by_hand or excluded.by_hand;

    insert into accesser.revocation
                (access_id, chat_id, state, attempts, next_attempt_at, last_error)
    select r.access_id, there, r.state, r.attempts, r.next_attempt_at, r.last_error
      from accesser.revocation r where r.chat_id = here
    on conflict do nothing;
    delete from accesser.revocation r where r.chat_id = here;

    delete from accesser.chat c where c.id = here;
end
$$;
