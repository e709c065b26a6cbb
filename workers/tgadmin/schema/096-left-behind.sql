-- A group that becomes a supergroup leaves its messages behind: the bot reaches them no more, and
-- their numbers soon mean others there.

-- A group that became a supergroup has a new id. Where that one is known as a group already, the
-- old row stays as history.
create or replace function tgadmin.group_moved() returns trigger
language plpgsql as $$
begin
    update tgadmin.post_history h
       set status = 'undeletable', error = 'the group is now ' || new.new_chat_id
      from tgadmin.groups g
     where g.telegram_id = new.old_chat_id and h.group_id = g.id and h.status = 'sent';
    if exists (select from tgadmin.groups where telegram_id = new.new_chat_id) then
        update tgadmin.groups
           set is_active = false, can_post = false,
               deactivated_reason = 'is now ' || new.new_chat_id
         where telegram_id = new.old_chat_id;
    else
        update tgadmin.groups
           set telegram_id = new.new_chat_id, type = 'supergroup'
         where telegram_id = new.old_chat_id;
    end if;
    return null;
end
$$;
