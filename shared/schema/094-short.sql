-- Telegram takes a message of at most 4,096 characters (core.telegram.org/bots/api#sendmessage),
-- and refuses a longer one for good. So what others have written is cut before it goes into one.

-- A text of at most so many characters; one that was longer ends in "…".
create function ops.cut(text text, most int) returns text
language sql immutable parallel safe as $$
    select case when char_length(text) > most then left(text, most - 1) || '…' else text end
$$;

-- A name for Telegram's HTML mode (core.telegram.org/bots/api#html-style), short enough that a
-- message has room for a dozen of them. Titles of Telegram's own have 128 characters at most.
create or replace function ops.html(text text) returns text
language sql immutable parallel safe as $$
    select replace(replace(replace(ops.cut(text, 256), '&', '&amp;'), '<', '&lt;'), '>', '&gt;')
$$;

-- Tells the administrators of a trouble, at most once in 20 hours, by Telegram (admin_chat '' does
-- not) and by mail. text is plain, and cut where it is too long. Returns how many jobs that made.
create or replace function ops.alert(name text, admin_chat text, mail boolean, text text)
returns int
language sql as $$
    with raised as (
        insert into ops.alert as a (name, raised_at)
        values (alert.name, clock_timestamp())
        on conflict on constraint alert_pkey do update set raised_at = excluded.raised_at
         where a.raised_at <= excluded.raised_at - interval '20 hours'
        returning ops.cut(alert.text, 4096) as words
    ), told as (
        select ops.enqueue('messages', 'send-message',
                           jsonb_build_object('chatId', alert.admin_chat, 'parseMode', '',
                                              'mailed', alert.mail, 'text', words)) as job
          from raised where alert.admin_chat <> ''
        union all
        select ops.enqueue('messages', 'send-email',
                           jsonb_build_object('subject', alert.name, 'text', words))
          from raised where alert.mail
    )
    select count(job)::int from told
$$;
