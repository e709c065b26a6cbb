-- What a question to the Bot API needs and leaves behind; serves every worker that asks.

-- name: tokens
-- Tokens in the database win over the environment.
select key, value_encrypted from ops.bot_setting;

-- name: chat_now
-- $1 bot, $2 chat. Where the chat is now.
select coalesce((select new_chat_id from ops.chat_alias
                  where bot = $1 and old_chat_id = $2::bigint), $2::bigint);

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
