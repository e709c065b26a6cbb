-- Groups follow what Telegram says of their chats, whichever worker was told.

-- A group that became a supergroup has a new id. Where that one is known as a group already, the
-- old row stays as history.
create function tgadmin.group_moved() returns trigger
language plpgsql as $$
begin
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
create trigger group_moved after insert or update on ops.chat_alias
    for each row execute function tgadmin.group_moved();

create function tgadmin.group_gone() returns trigger
language plpgsql as $$
begin
    update tgadmin.groups
       set is_active = false, can_post = false, deactivated_reason = new.reason
     where telegram_id = new.chat_id and is_active;
    return null;
end
$$;
create trigger group_gone after insert on ops.recipient
    for each row when (new.bot = 'tgadmin' and new.chat_id < 0)
    execute function tgadmin.group_gone();
