-- What the tasks of bot_tasks ask and write. Instants are the server's: a cooldown is real time.

-- name: may_post
-- $1 chat, $2 zone. No row: a group that we do not know, where everything is allowed. Else whether
-- it is active, and for how many milliseconds its cooldown and its daily maximum still hold. Jobs
-- of one group go one after the other, so this is still true when the post is recorded.
select is_active,
       ceil(greatest(0, extract(epoch from last_post_at + make_interval(mins => cooldown_minutes)
                                           - clock_timestamp()) * 1000))::bigint,
       case when posts_day = day.today and posts_today >= max_ads_per_day
            then ceil(extract(epoch from (day.today + 1)::timestamp at time zone $2
                                         - clock_timestamp()) * 1000)::bigint
            else 0 end
  from tgadmin.groups, lateral (select (clock_timestamp() at time zone $2)::date as today) as day
 where telegram_id = $1::bigint;

-- name: posted
-- $1 chat, $2 job, $3 campaign or null, $4 message, $5 text, $6 zone
with posted as (
    update tgadmin.groups g
       set last_post_at = clock_timestamp(), last_message_id = $4::bigint,
           posts_today = case when posts_day = today then posts_today + 1 else 1 end,
           posts_day = today, total_posts = total_posts + 1
      from (select (clock_timestamp() at time zone $6)::date as today) as day
     where telegram_id = $1::bigint
       and not exists (select from tgadmin.post_history h
                        where h.job_id = $2::bigint and h.status = 'sent')
    returning g.id
)
insert into tgadmin.post_history as h (group_id, campaign_id, message_id, text, job_id)
select posted.id, (select c.id from tgadmin.campaigns c where c.id = $3::bigint), $4, $5, $2
  from posted
on conflict (job_id) do update
    set status = 'sent', message_id = excluded.message_id, sent_at = excluded.sent_at, error = null;

-- name: delivered
-- $1 purchase, $2 chat, $3 message, $4 whether it was the last of it
with sent as (
    insert into tgadmin.sent_messages (purchase_id, chat_id, message_id)
    select id, $2::bigint, $3::bigint from tgadmin.purchases where id = $1::bigint
    on conflict do nothing
)
update tgadmin.purchases set status = 'completed'
 where id = $1 and status = 'paid' and $4::boolean;

-- name: post_failed
-- $1 chat, $2 job, $3 campaign or null, $4 text, $5 error
insert into tgadmin.post_history (group_id, campaign_id, text, status, error, job_id)
select g.id, (select c.id from tgadmin.campaigns c where c.id = $3::bigint), $4, 'failed', $5,
       $2::bigint
  from tgadmin.groups g
 where g.telegram_id = $1::bigint
on conflict (job_id) do nothing;

-- name: forbidden
-- $1 chat, $2 reason. The bot lacks a right there.
update tgadmin.groups
   set is_active = false, can_post = false, deactivated_reason = $2
 where telegram_id = $1::bigint and is_active;

-- name: deleted
-- $1 chat, $2 messages as an array, $3 job, $4 its kind
with post as (
    update tgadmin.post_history h
       set status = 'deleted', deleted_at = clock_timestamp(), error = null
      from tgadmin.groups g
     where g.telegram_id = $1::bigint and h.group_id = g.id and h.message_id = any($2::bigint[])
       and h.status <> 'deleted'
), delivered as (
    update tgadmin.sent_messages
       set deleted_at = clock_timestamp(), delete_error = null
     where chat_id = $1 and message_id = any($2) and deleted_at is null
)
select ops.audit('tgadmin/bot_tasks', $4, jsonb_build_object(
           'chat', $1, 'messages', $2, 'job', $3::bigint));

-- name: undeletable
-- $1 chat, $2 messages as an array, $3 error
with post as (
    update tgadmin.post_history h
       set status = 'undeletable', error = $3
      from tgadmin.groups g
     where g.telegram_id = $1::bigint and h.group_id = g.id and h.message_id = any($2::bigint[])
       and h.status = 'sent'
)
update tgadmin.sent_messages
   set delete_error = $3
 where chat_id = $1 and message_id = any($2) and deleted_at is null;

-- name: tracked
-- $1 group, $2 first message or null, $3 last message or null, $4 days or null, $5 how many. What
-- was posted there and is still to be deleted, oldest first.
select message_id
  from tgadmin.post_history
 where group_id = $1::bigint and status = 'sent' and message_id is not null
   and ($2::bigint is null or message_id >= $2) and ($3::bigint is null or message_id <= $3)
   and ($4::int is null or sent_at < clock_timestamp() - make_interval(days => $4))
 order by message_id
 limit $5::int;

-- name: sync_all
-- $1 bot. One job for each group that we know: Telegram has no list of a bot's groups.
select count(ops.enqueue('bot-tasks', 'sync-single-group',
                         jsonb_build_object('telegramId', telegram_id), bot => nullif($1::text, ''),
                         group_key => format('%s:%s', $1::text, telegram_id),
                         dedup_key => 'sync:' || telegram_id))
  from tgadmin.groups;

-- name: synced
-- $1 chat, $2 name, $3 type, $4 members, $5 rights, $6 whether the bot may post, $7 bot. A group
-- that we had given up by ourselves is in use again.
with cleared as (
    delete from ops.recipient where bot = $7 and chat_id = $1::bigint
)
insert into tgadmin.groups as g (telegram_id, name, type, member_count, permissions, can_post,
                                 last_sync_at)
values ($1, $2, $3, $4::int, $5::jsonb, $6::boolean, clock_timestamp())
on conflict (telegram_id) do update
    set name = excluded.name, type = excluded.type, member_count = excluded.member_count,
        permissions = excluded.permissions, can_post = excluded.can_post,
        last_sync_at = excluded.last_sync_at,
        is_active = g.is_active or (g.deactivated_reason is not null and excluded.can_post),
        deactivated_reason = case when excluded.can_post then null else g.deactivated_reason end;

-- name: rights
-- $1 chat, $2 rights, $3 whether the bot may post
update tgadmin.groups set permissions = $2::jsonb, can_post = $3::boolean
 where telegram_id = $1::bigint;
