-- name: warn
-- $1 now, $2 translation set in use. Once a day, from two days before the end; in the days of grace
-- of a GENTLE plan, too. Not while the money for more is on its way.
with due as materialized (
    select a.id, greatest(a.end_date, case when plan.revoke_mode = 'GENTLE' and not a.trial
                                           then a.end_date + interval '6 days' end) as closed_at
      from accesser.access a
      join accesser.plan on plan.id = a.plan_id
     where a.active and a.end_date <= $1::timestamptz + interval '2 days'
       and (a.end_date > $1
            or plan.revoke_mode = 'GENTLE' and not a.trial and a.end_date > $1 - interval '6 days')
       and (a.expiry_notified_at is null or a.expiry_notified_at <= $1 - interval '1 day')
       and not exists (select from cashier.crypto_invoice i
                        where i.access_id = a.id and i.status in ('PAID', 'CONFIRMED'))
       for no key update of a skip locked
), warned as (
    update accesser.access a
       set expiry_notified_at = $1
      from due
     where a.id = due.id
    returning a.id, a.customer_id, a.plan_id, a.end_date, due.closed_at
)
select count(*), coalesce(sum(accesser.offer(
           person.telegram_id,
           case when w.end_date > $1 then messenger.translate(words,
               'Your access to <b>{{plan}}</b> ends on {{until}} UTC.', fields)
                else messenger.translate(words,
               'Your access to <b>{{plan}}</b> has ended, and is closed on {{closed}} UTC.', fields)
           end,
           messenger.translate(words, 'Prolong'), w.id, w.closed_at)), 0)
  from warned w
  join accesser.plan on plan.id = w.plan_id
  join messenger.customer person on person.id = w.customer_id,
       lateral messenger.set_of(person.id, $2) as words,
       lateral jsonb_build_object(
           'plan', plan.title,
           'until', to_char(w.end_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI'),
           'closed', to_char(w.closed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI')) as fields;

-- name: begin
-- $1 now. What is to be done in each chat of the accesses that are over.
insert into accesser.revocation (access_id, chat_id, next_attempt_at)
select a.id, chat_id, $1::timestamptz
  from accesser.access a, accesser.chats_of(a) as chat_id
 where a.active and a.end_date <= $1 and accesser.is_over(a, $1)
 order by a.id, chat_id
on conflict do nothing;

-- name: tasks
-- $1 now. What can be tried now, oldest first.
select r.access_id, r.chat_id, c.telegram_chat_id, person.telegram_id
  from accesser.revocation r
  join accesser.chat c on c.id = r.chat_id
  join accesser.access a on a.id = r.access_id
  join messenger.customer person on person.id = a.customer_id
 where r.state in ('open', 'stuck') and r.next_attempt_at <= $1::timestamptz
 order by r.next_attempt_at, r.access_id, r.chat_id
 limit 100;

-- name: links
-- $1 access, $2 chat
select id, link
  from accesser.invite_link
 where access_id = $1::bigint and chat_id = $2::bigint and revoked_at is null
 order by id;

-- name: link_revoked
-- $1 link, $2 now
update accesser.invite_link set revoked_at = $2::timestamptz
 where id = $1::bigint and revoked_at is null;

-- name: begin_ban
-- $1 access, $2 chat, $3 now
select accesser.begin_ban($1::bigint, $2::bigint, $3::timestamptz);

-- name: banned
-- $1 chat, $2 Telegram's user, $3 access that ended
with done as (
    update accesser.ban set done_at = clock_timestamp()
     where chat_id = $1::bigint and user_id = $2::bigint
)
select ops.audit('accesser/customer_access_revoker', 'ban',
                 jsonb_build_object('chat', telegram_chat_id, 'user', $2::bigint,
                                    'access', $3::bigint))
  from accesser.chat
 where id = $1;

-- name: record
-- $1 access, $2 chat, $3 state, $4 milliseconds that Telegram wants us to wait, $5 why or null, $6
-- now. What is open is tried again a minute later, then two, at most an hour; what is stuck every
-- day, for a month. What outlived its access is over when it is done.
with kept as (
    update accesser.revocation r
       set state = $3, attempts = r.attempts + 1, last_error = $5,
           next_attempt_at = $6::timestamptz + case when $3 = 'stuck' then interval '1 day'
               else greatest($4::bigint * interval '1 ms',
                             interval '1 min' * least(60, 2 ^ least(r.attempts, 6))) end
     where r.access_id = $1::bigint and r.chat_id = $2::bigint
       and not exists (select from accesser.access a
                        where a.id = r.access_id and not a.active
                          and ($3 in ('done', 'failed') or r.attempts >= 30))
    returning 1
)
delete from accesser.revocation r
 where r.access_id = $1 and r.chat_id = $2 and not exists (select from kept);

-- name: finish
-- $1 now, $2 translation set in use, $3 administrators' chat or '', $4 whether mail goes out. Ends
-- the accesses of which nothing is left to be tried, and tells their customers; the
-- administrators, once for each, where somebody could not be banned.
with ending as materialized (
    select a.id
      from accesser.access a
     where a.active and a.end_date <= $1::timestamptz and accesser.is_over(a, $1)
       and not exists (select from accesser.revocation r
                        where r.access_id = a.id and r.state = 'open')
       and not exists (select from accesser.chats_of(a) as chat_id
                        where chat_id not in (select r.chat_id from accesser.revocation r
                                               where r.access_id = a.id))
     order by a.id
       for no key update of a
), over as (
    update accesser.access a
       set active = false, revoked_date = $1
      from ending
     where a.id = ending.id
    returning a.id, a.customer_id, a.plan_id
), settled as (
    delete from accesser.revocation r
     using over
     where r.access_id = over.id and r.state <> 'stuck'
), given_up as (
    delete from accesser.link_due d
     using over join accesser.redemption r on r.access_id = over.id
     where d.invoice_id = r.invoice_id and not accesser.may_enter(r, $1)
), told as (
    select accesser.offer(person.telegram_id, messenger.translate(words,
               'Your access to <b>{{plan}}</b> has ended.', jsonb_build_object('plan', plan.title)),
               messenger.translate(words, 'Prolong'), over.id) as jobs
      from over
      join accesser.plan on plan.id = over.plan_id
      join messenger.customer person on person.id = over.customer_id,
           lateral messenger.set_of(person.id, $2) as words
), alerted as (
    select ops.alert('access:' || over.id, $3, $4::boolean, format(
               'Доступ %s («%s») закончился, но бот не может удалить пользователя %s: %s. '
               'Удалите его вручную или дайте боту право блокировать участников.',
               over.id, ops.cut(plan.title, 128), person.telegram_id,
               string_agg(format('«%s» (%s): %s', c.title, c.telegram_chat_id, r.last_error), '; '
                          order by c.title))) as jobs
      from over
      join accesser.revocation r on r.access_id = over.id and r.state in ('failed', 'stuck')
      join accesser.chat c on c.id = r.chat_id
      join accesser.plan on plan.id = over.plan_id
      join messenger.customer person on person.id = over.customer_id
     group by over.id, plan.title, person.telegram_id
)
select (select count(*) from over),
       coalesce((select sum(jobs) from told), 0) + coalesce((select sum(jobs) from alerted), 0);

-- name: lifts
-- $1 now. Bans that crossed a payment: asked for of late, where an access now opens the chat.
select b.chat_id, c.telegram_chat_id, b.user_id
  from accesser.ban b
  join accesser.chat c on c.id = b.chat_id
  join messenger.customer person on person.telegram_id = b.user_id
 where b.asked_at > (select clock_timestamp() - interval '1 day') and not b.by_hand
   and accesser.is_covered(person.id, b.chat_id, $1::timestamptz)
 order by b.asked_at;

-- name: lifted
-- $1 chat, $2 Telegram's user
select accesser.ban_lifted($1::bigint, $2::bigint);
