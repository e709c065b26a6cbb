-- name: remind
-- $1 now, $2 zone. Nothing before 11:00 of the zone's day; days 0, 1 and 2 after registration by
-- the calendar. Locked rows are waited for, because there is no other run today. The message is of
-- no use after the day's end.
with day as materialized (
    select here::date as today,
           (here::date + 1)::timestamp at time zone $2 as ends_at,
           (here::date - 2)::timestamp at time zone $2 as first_registered_at
      from (select $1::timestamptz at time zone $2 as here) as clock
     where here::time >= '11:00'
), reminded as (
    update ozhivlyator.users u
       set daily_bonus_reminded_on = today
      from day
     where u.registered_at >= first_registered_at and u.registered_at <= $1
       and u.daily_bonus_claimed_on is distinct from today
       and u.daily_bonus_reminded_on is distinct from today
       and not exists (select from ops.recipient r
                        where r.bot = 'ozhivlyator' and r.chat_id = u.chat_id
                          and r.blocked_at is not null)
    returning u.chat_id, ends_at
)
select count(ops.enqueue('messages', 'send-message',
           jsonb_build_object('chatId', chat_id, 'not_after', ends_at, 'text',
               '🎁 <b>Ваш ежедневный бонус ждёт!</b>

Первые 3 дня после регистрации каждый день можно забрать +1 «оживашку»: раздел «Бонусы» в меню.'),
           bot => 'ozhivlyator'))
  from reminded;
