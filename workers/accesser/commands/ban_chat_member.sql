-- name: begin
-- $1 chat, $2 user, both Telegram's. Written down before it is asked for, so that a payment lifts
-- it; a chat that the shop does not know has nothing that could.
insert into accesser.ban (chat_id, user_id, by_hand)
select id, $2::bigint, true
  from accesser.chat
 where id = accesser.chat_of($1::bigint)
on conflict on constraint ban_pkey do update
    set by_hand = true, asked_at = clock_timestamp(), done_at = null;

-- name: banned
-- $1 chat, $2 user
update accesser.ban set done_at = clock_timestamp()
 where chat_id = accesser.chat_of($1::bigint) and user_id = $2::bigint;

-- name: links
-- $1 chat, $2 user. His links into the chat that still work.
select l.id, l.link
  from accesser.invite_link l
  join accesser.access a on a.id = l.access_id
  join messenger.customer person on person.id = a.customer_id
 where l.chat_id = accesser.chat_of($1::bigint) and person.telegram_id = $2::bigint
   and l.revoked_at is null
 order by l.id;

-- name: revoked
-- $1 link, $2 now
update accesser.invite_link set revoked_at = $2::timestamptz where id = $1::bigint;
