-- What deliveries leave behind: whom a bot cannot reach, chats that moved, and alerts.

-- A chat that cannot be written to any more. Told again, the first instant and reason stay.
create function ops.chat_gone(bot text, chat_id bigint, reason text) returns void
language sql as $$
    insert into ops.recipient (bot, chat_id, reason)
    values (chat_gone.bot, chat_gone.chat_id, chat_gone.reason)
    on conflict on constraint recipient_pkey do nothing
$$;

-- A chat that has a new id. Apps that keep ids of chats follow it by a trigger on ops.chat_alias.
create function ops.chat_moved(bot text, old_chat_id bigint, new_chat_id bigint) returns void
language sql as $$
    insert into ops.chat_alias as a (bot, old_chat_id, new_chat_id)
    values (chat_moved.bot, chat_moved.old_chat_id, chat_moved.new_chat_id)
    on conflict on constraint chat_alias_pkey do update
        set new_chat_id = excluded.new_chat_id, seen_at = excluded.seen_at
      where a.new_chat_id <> excluded.new_chat_id
$$;

-- When administrators were last told of a lasting trouble, so that retries do not repeat it.
create table ops.alert (
    name      text primary key,
    raised_at timestamptz not null
);

-- Tells the administrators of a trouble, at most once in 20 hours, by Telegram (admin_chat '' does
-- not) and by mail. text is plain. Returns how many jobs that made.
create function ops.alert(name text, admin_chat text, mail boolean, text text) returns int
language sql as $$
    with raised as (
        insert into ops.alert as a (name, raised_at)
        values (alert.name, clock_timestamp())
        on conflict on constraint alert_pkey do update set raised_at = excluded.raised_at
         where a.raised_at <= excluded.raised_at - interval '20 hours'
        returning 1
    ), told as (
        select ops.enqueue('messages', 'send-message',
                           jsonb_build_object('chatId', alert.admin_chat, 'parseMode', '',
                                              'mailed', true, 'text', alert.text)) as job
          from raised where alert.admin_chat <> ''
        union all
        select ops.enqueue('messages', 'send-email',
                           jsonb_build_object('subject', alert.name, 'text', alert.text))
          from raised where alert.mail
    )
    select count(job)::int from told
$$;
