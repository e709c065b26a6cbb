-- name: begin
-- $1 chat, $2 user, both Telegram's. Written down before it is asked for, so that a payment lifts
-- it; a chat that the shop does not know has nothing that could, and is no row. Returns when that
-- was, and whether there was none before (f: one of ours, t: none, null: one by hand).
with before as (
    select by_hand from accesser.ban
     where chat_id = accesser.chat_of($1::bigint) and user_id = $2::bigint
)
insert into accesser.ban (chat_id, user_id, by_hand)
select id, $2, true
  from accesser.chat
 where id = accesser.chat_of($1)
on conflict on constraint ban_pkey do update
    set by_hand = true, asked_at = clock_timestamp(), done_at = null
returning asked_at, case when not exists (select from before) then true
                         when not (select by_hand from before) then false end;

-- name: refused
-- $1 chat, $2 user, $3 and $4 as begin returned them. Telegram said no, so that what was written
-- down is not so; but another one that was asked for meanwhile, or before, may be.
with gone as (
    delete from accesser.ban
     where chat_id = accesser.chat_of($1::bigint) and user_id = $2::bigint
       and $4::boolean and asked_at = $3::timestamptz
    returning 1
)
update accesser.ban set by_hand = false
 where chat_id = accesser.chat_of($1) and user_id = $2 and $4 is not null
   and not exists (select from gone);

-- name: banned
-- $1 chat, $2 user, $3 who bans
with done as (
    update accesser.ban set done_at = clock_timestamp()
     where chat_id = accesser.chat_of($1::bigint) and user_id = $2::bigint
)
select ops.audit($3, 'ban', jsonb_build_object('chat', $1::bigint, 'user', $2::bigint));

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
