-- A chat that moved to one that is known already has two rows. They become one: what an access
-- covers, who is banned and which links there are is told by rows, and two of one chat say
-- different things.

-- All that points to the one row points to the other one, and the first is gone. Of what both have,
-- the other's stays.
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
create or replace function accesser.chat_moved() returns trigger
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

-- Those that have two rows already.
select accesser.merge_chats(old.id, new.id)
  from ops.chat_alias a
  join accesser.chat old on old.telegram_chat_id = a.old_chat_id
  join accesser.chat new on new.telegram_chat_id = a.new_chat_id
 where a.bot = 'shop';
