-- name: chat
-- $1 chat. As the shop knows it, if it does.
select id, active from accesser.chat where id = accesser.chat_of($1::bigint);
