-- How a payment becomes an access and its links, once, and how an access ends, chat by chat.
--
-- What Telegram is asked to do is written down before (ban) or is of no use before it is
-- (invite_link), so that whoever dies in between leaves nothing that the next run does not see.
-- All that decides about one customer's accesses and bans holds his lock.

-- What each payment became. The one place that says that it became something.
create table accesser.redemption (
    invoice_id bigint primary key references cashier.crypto_invoice,
    access_id  bigint not null references accesser.access,
    granted_at timestamptz not null
);
create index redemption_access on accesser.redemption (access_id);

-- One link of each chat for one payment; sent_at: it is in a message to the customer.
alter table accesser.invite_link
    add column invoice_id bigint references cashier.crypto_invoice,
    add column expire_date timestamptz,
    add column sent_at timestamptz;
create unique index invite_link_payment on accesser.invite_link (invoice_id, chat_id);

-- Links that are still to be sent. An owed one was refused: the others are sent without it, and it
-- follows when the bot can make it.
create table accesser.link_due (
    invoice_id      bigint not null references accesser.redemption,
    chat_id         bigint not null references accesser.chat,
    owed            boolean not null default false,
    attempts        int not null default 0,
    next_attempt_at timestamptz not null,
    last_error      text,
    primary key (invoice_id, chat_id)
);
create index link_due_next on accesser.link_due (next_attempt_at);
create index link_due_chat on accesser.link_due (chat_id);

-- Whom the bot was told to ban where, written before it is asked; done_at: it said that it did.
create table accesser.ban (
    chat_id  bigint not null references accesser.chat on delete cascade,
    user_id  bigint not null, -- Telegram's
    by_hand  boolean not null default false,
    asked_at timestamptz not null default clock_timestamp(),
    done_at  timestamptz,
    primary key (chat_id, user_id)
);
create index ban_user on accesser.ban (user_id);
create index ban_asked on accesser.ban (asked_at);

-- What is still to be done in each chat of an access that is over. failed will never work; stuck
-- waits for a right of the bot's, and outlives the access.
create table accesser.revocation (
    access_id       bigint not null references accesser.access,
    chat_id         bigint not null references accesser.chat,
    state           text not null default 'open'
                    check (state in ('open', 'done', 'failed', 'stuck')),
    attempts        int not null default 0,
    next_attempt_at timestamptz not null,
    last_error      text,
    primary key (access_id, chat_id)
);
create index revocation_next on accesser.revocation (next_attempt_at)
    where state in ('open', 'stuck');
create index revocation_chat on accesser.revocation (chat_id);

create index crypto_invoice_prolongs on cashier.crypto_invoice (access_id)
    where status in ('PAID', 'CONFIRMED');

-- --- what is so ---

create function accesser.lock_customer(customer_id bigint) returns void
language sql as $$
    select pg_advisory_xact_lock(hashtextextended('accesser.customer/' || customer_id, 0))
$$;

-- Whether an active access has come to its end. One that is being paid for goes on: its money is on
-- its way.
create function accesser.is_over(access accesser.access, at timestamptz) returns boolean
language sql stable as $$
    select access.end_date <= at
       and (access.trial or plan.revoke_mode = 'FORCE'
            or access.end_date <= at - interval '6 days')
       and not exists (select from cashier.crypto_invoice i
                        where i.access_id = access.id and i.status in ('PAID', 'CONFIRMED'))
      from accesser.plan
     where plan.id = access.plan_id
$$;

-- Whether some access opens the chat for the customer.
create function accesser.is_covered(customer_id bigint, chat_id bigint, at timestamptz)
returns boolean
language sql stable as $$
    select exists (select from accesser.access a
                     join accesser.plan_chat p on p.plan_id = a.plan_id
                    where a.customer_id = is_covered.customer_id
                      and p.chat_id = is_covered.chat_id
                      and a.active and not accesser.is_over(a, at))
$$;

-- The chats that an access opens, and those that it opened by a link when its plan had them.
create function accesser.chats_of(access accesser.access) returns setof bigint
language sql stable as $$
    select chat_id from accesser.plan_chat where plan_id = access.plan_id
     union
    select chat_id from accesser.invite_link where access_id = access.id and revoked_at is null
$$;

-- --- a payment ---

-- Turns a confirmed payment into an access, or into more of one: an active one goes on from its
-- end, a revoked one starts anew. Returns the access, also when that was done before; null when the
-- invoice is not confirmed.
create function accesser.redeem(invoice_id bigint, at timestamptz) returns bigint
language plpgsql as $$
#variable_conflict use_variable
declare
    invoice cashier.crypto_invoice;
    length  interval;
    made    bigint;
begin
    select i.* into invoice
      from cashier.crypto_invoice i
     where i.id = invoice_id and i.status = 'CONFIRMED'
       for update;
    if not found then
        return null;
    end if;
    perform accesser.lock_customer(invoice.customer_id);
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

-- --- an end ---

-- Decides what becomes of the customer of an access that is over in one of its chats: `ban`, which
-- is written down; `covered`, another access opens it; `prolonged`, it is not over any more.
create function accesser.begin_ban(access_id bigint, chat_id bigint, at timestamptz) returns text
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
    select a.* into access from accesser.access a where a.id = access_id for update;
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

-- Forgets a ban that was lifted; one whose outcome is not known may still be on its way, and is
-- lifted once more.
create function accesser.ban_lifted(chat_id bigint, user_id bigint) returns void
language sql as $$
    delete from accesser.ban b
     where b.chat_id = ban_lifted.chat_id and b.user_id = ban_lifted.user_id
       and (b.done_at is not null or b.asked_at < clock_timestamp() - interval '3 minutes')
$$;

-- Tells a customer, with the button by which the bot prolongs the access (its reply `prolong`).
-- Returns how many jobs that made.
create function accesser.offer(person bigint, text text, label text, access_id bigint,
                               not_after timestamptz default null) returns int
language sql as $$
    select count(ops.enqueue(
               'messages', 'send-message',
               jsonb_strip_nulls(jsonb_build_object(
                   'chatId', person, 'text', text, 'not_after', not_after,
                   'replyMarkup', jsonb_build_object('inline_keyboard', jsonb_build_array(
                       jsonb_build_array(jsonb_build_object(
                           'text', label,
                           'callback_data', 'cashier&2&prolong&' || access_id)))))),
               bot => 'shop'))::int
     where not exists (select from ops.recipient r
                        where r.bot = 'shop' and r.chat_id = person and r.blocked_at is not null)
$$;

-- --- chats ---

-- The chat of an id of Telegram's, also of one that it had before it moved. Null: none of ours.
create function accesser.chat_of(telegram_chat_id bigint) returns bigint
language sql stable as $$
    select c.id
      from accesser.chat c
     where c.telegram_chat_id = coalesce(
               (select a.new_chat_id from ops.chat_alias a
                 where a.bot = 'shop' and a.old_chat_id = chat_of.telegram_chat_id),
               chat_of.telegram_chat_id)
$$;

-- What Telegram says of the shop's bot in a chat (my_chat_member): present, it can be sold, and
-- links that are owed can be made; absent, it is kept for what points to it, and chat_updater
-- removes it where nothing does.
create function accesser.bot_seen(chat_id bigint, title text, type text, present boolean)
returns void
language sql as $$
    insert into accesser.chat as c (telegram_chat_id, title, type)
    select bot_seen.chat_id, bot_seen.title, bot_seen.type
     where bot_seen.present and bot_seen.type <> 'private'
    on conflict on constraint chat_telegram_chat_id_key do update
        set title = excluded.title, type = excluded.type, active = true;
    delete from ops.recipient r
     where r.bot = 'shop' and r.chat_id = bot_seen.chat_id
       and bot_seen.present and bot_seen.type <> 'private';
    update accesser.link_due d set next_attempt_at = least(d.next_attempt_at, now())
      from accesser.chat c
     where c.id = d.chat_id and c.telegram_chat_id = bot_seen.chat_id and bot_seen.present;
    update accesser.chat c set active = false
     where c.telegram_chat_id = bot_seen.chat_id and not bot_seen.present;
$$;

-- A chat that moved to one that is known already has two rows, and what is told by rows (who is
-- covered, banned, let in) would differ between them. So all that points to the one row points to
-- the other one, and the first is gone. Of what both have, the other's stays.
create function accesser.merge_chats(here bigint, there bigint) returns void
language plpgsql as $$
begin
    insert into accesser.plan_chat (plan_id, chat_id)
    select p.plan_id, there from accesser.plan_chat p where p.chat_id = here
    on conflict do nothing;
    delete from accesser.plan_chat p where p.chat_id = here;

    -- A payment has one link in one chat; another one still is the access's.
    update accesser.invite_link l
       set chat_id = there,
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

-- A group that became a supergroup has a new id, whoever was told.
create function accesser.chat_moved() returns trigger
language plpgsql as $$
declare
    here  bigint := (select id from accesser.chat where telegram_chat_id = new.old_chat_id);
    there bigint := (select id from accesser.chat where telegram_chat_id = new.new_chat_id);
begin
    if there is null then
        update accesser.chat
           set telegram_chat_id = new.new_chat_id, type = 'supergroup'
         where id = here;
    elsif here <> there then
        perform accesser.merge_chats(here, there);
    end if;
    return null;
end
$$;
create trigger chat_moved after insert or update on ops.chat_alias
    for each row when (new.bot = 'shop') execute function accesser.chat_moved();

-- Whether a link of this payment may still be made: while its access goes on; and, however late, as
-- long as the customer has got nothing for it, since his time begins with the first link.
create function accesser.may_enter(payment accesser.redemption, at timestamptz) returns boolean
language sql stable as $$
    select (a.active and not accesser.is_over(a, at))
           or (a.start_date = payment.granted_at
               and not exists (select from accesser.invite_link l
                                where l.invoice_id = payment.invoice_id
                                  and l.sent_at is not null))
      from accesser.access a
     where a.id = payment.access_id
$$;
