-- What a delivery asks and writes; serves every worker that calls the Bot API for a job.

-- name: check
-- $1 bot, $2 chat. Where the chat is now, and why it cannot be reached, if so.
with now as materialized (
    select coalesce((select new_chat_id from ops.chat_alias
                      where bot = $1 and old_chat_id = $2::bigint), $2) as chat_id
)
select chat_id, (select case when reason = '' then 'blocked' else reason end from ops.recipient r
                  where r.bot = $1 and r.chat_id = now.chat_id and r.blocked_at is not null)
  from now;

-- name: gone
-- $1 bot, $2 chat, $3 reason
select ops.chat_gone($1, $2::bigint, $3);

-- name: moved
-- $1 bot, $2 old id, $3 new id
select ops.chat_moved($1, $2::bigint, $3::bigint);

-- name: alert
-- $1 name, $2 administrators' chat or '', $3 whether mail goes out, $4 text
select ops.alert($1, $2, $3::boolean, $4);

-- name: tokens
-- Tokens in the database win over the environment.
select key, value_encrypted from ops.bot_setting;
