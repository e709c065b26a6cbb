-- What messenger/bot reads and writes of updates; what its replies say is in messenger.sql.

-- name: update
-- $1 bot, $2 update
select payload, answered_at is not null from main.telegram_update
 where bot = $1 and update_id = $2::bigint;

-- name: answer
-- $1 bot, $2 update, $3 messages: [{"kind", "payload"}]. Once for each update, also when a process
-- that was taken for dead goes on.
with first as (
    update main.telegram_update
       set answered_at = clock_timestamp()
     where bot = $1 and update_id = $2::bigint and answered_at is null
    returning 1
)
select count(ops.enqueue('messages', message ->> 'kind', message -> 'payload', bot => $1))
  from first, lateral (select message
                         from jsonb_array_elements($3::jsonb) with ordinality as m (message, n)
                        order by n) as ordered;

-- name: heard
-- $1 bot, $2 chat. Who writes to a bot can be written to.
delete from ops.recipient where bot = $1 and chat_id = $2::bigint;

-- name: left
-- $1 bot, $2 chat
select ops.chat_gone($1, $2::bigint, 'blocked');

-- name: shop_seen
-- $1 chat, $2 title, $3 type, $4 whether the shop's bot can let people in there
select accesser.bot_seen($1::bigint, $2, $3, $4::boolean);

-- name: group_seen
-- $1 chat, $2 name, $3 type, $4 whether the bot may post, $5 what it may do there. One that we had
-- given up by ourselves is in use again.
with cleared as (
    delete from ops.recipient where bot = 'tgadmin' and chat_id = $1::bigint
)
insert into tgadmin.groups as g (telegram_id, name, type, can_post, permissions)
values ($1, $2, $3, $4::boolean, $5::jsonb)
on conflict (telegram_id) do update
    set name = excluded.name, type = excluded.type, can_post = excluded.can_post,
        permissions = excluded.permissions,
        is_active = g.is_active or (g.deactivated_reason is not null and excluded.can_post),
        deactivated_reason = case when excluded.can_post then null else g.deactivated_reason end;

-- name: group_gone
-- $1 chat, $2 what the bot is there now
update tgadmin.groups
   set is_active = false, can_post = false, deactivated_reason = $2
 where telegram_id = $1::bigint and is_active;
