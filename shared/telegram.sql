-- What a request to the Bot API asks before and leaves behind: of deliveries (delivery.h), and of
-- questions that are waited for (telegram_ask.h).

-- name: chat
-- $1 bot, $2 chat. Where the chat is now, and why it cannot be reached, if so.
with now as materialized (
    select coalesce((select new_chat_id from ops.chat_alias
                      where bot = $1 and old_chat_id = $2::bigint), $2) as chat_id
)
select chat_id, (select case when reason = '' then 'blocked' else reason end from ops.recipient r
                  where r.bot = $1 and r.chat_id = now.chat_id and r.blocked_at is not null)
  from now;

-- name: slot
-- $1 bot, $2 requests a second. In how many milliseconds the bot may ask.
select ceil(greatest(0, extract(epoch from ops.rate_take($1, 1, $2::numeric)
                                            - clock_timestamp())) * 1000)::bigint;

-- name: gone
-- $1 bot, $2 chat, $3 reason
select ops.chat_gone($1, $2::bigint, $3);

-- name: moved
-- $1 bot, $2 old id, $3 new id
select ops.chat_moved($1, $2::bigint, $3::bigint);

-- name: alert
-- $1 name, $2 administrators' chat or '', $3 whether mail goes out, $4 text
select ops.alert($1, $2, $3::boolean, $4);
