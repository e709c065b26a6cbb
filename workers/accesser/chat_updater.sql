-- name: chats
-- The longest unchecked first, so that a run that breaks off leaves nobody behind for ever.
select id, telegram_chat_id
  from accesser.chat
 order by checked_at nulls first, id;

-- name: found
-- $1 chat, $2 title or null, $3 type or null, $4 now. What Telegram says of it; the bot is in it,
-- so that it can be written to. Returns whether that is news.
with before as materialized (
    select id, telegram_chat_id, title, type, active from accesser.chat where id = $1::bigint
       for no key update
), now as (
    update accesser.chat c
       set title = coalesce($2, c.title), type = coalesce($3, c.type), active = true,
           checked_at = $4::timestamptz
      from before
     where c.id = before.id
    returning (before.title, before.type, before.active) is distinct from
              (c.title, c.type, c.active) as is_news
), reached as (
    delete from ops.recipient r
     using before
     where r.bot = 'shop' and r.chat_id = before.telegram_chat_id
)
select is_news from now;

-- name: left
-- $1 chat, $2 now. The bot is not in it: the row goes, unless something points to it. Returns
-- whether it is gone, and whether that is news.
with gone as (
    delete from accesser.chat c
     where c.id = $1::bigint
       and not exists (select from accesser.plan_chat p where p.chat_id = c.id)
       and not exists (select from accesser.invite_link l where l.chat_id = c.id)
       and not exists (select from accesser.link_due d where d.chat_id = c.id)
       and not exists (select from accesser.revocation r where r.chat_id = c.id)
    returning c.id
), before as materialized (
    select id, active from accesser.chat where id = $1
), kept as (
    update accesser.chat c
       set active = false, checked_at = $2::timestamptz
     where c.id = $1 and not exists (select from gone)
)
select exists (select from gone), active from before;
