-- name: unbanned
-- $1 chat, $2 user, both Telegram's, $3 who unbans. Returns how many of his links into the chat are
-- revoked.
with forgotten as (
    delete from accesser.ban
     where chat_id = accesser.chat_of($1::bigint) and user_id = $2::bigint
)
select count(*),
       ops.audit($3, 'unban', jsonb_build_object('chat', $1::bigint, 'user', $2::bigint))
  from accesser.invite_link l
  join accesser.access a on a.id = l.access_id
  join messenger.customer person on person.id = a.customer_id
 where l.chat_id = accesser.chat_of($1) and person.telegram_id = $2 and l.revoked_at is not null;
