-- What every app needs to write to people.

-- For Telegram's HTML mode (core.telegram.org/bots/api#html-style).
create function ops.html(text text) returns text
language sql immutable parallel safe as $$
    select replace(replace(replace(text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;')
$$;

-- Tells a person in HTML, unless there is nobody to tell or we know that it cannot be done. Returns
-- how many jobs that made.
create function ops.tell(bot text, chat bigint, text text, not_after timestamptz default null)
returns int
language sql as $$
    select count(ops.enqueue('messages', 'send-message',
                             jsonb_strip_nulls(jsonb_build_object(
                                 'chatId', chat, 'text', text, 'not_after', not_after)),
                             bot => tell.bot))::int
     where chat is not null
       and not exists (select from ops.recipient r
                        where r.bot = tell.bot and r.chat_id = chat and r.blocked_at is not null)
$$;
