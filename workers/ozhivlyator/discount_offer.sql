-- name: offer
-- $1 now. Marks and enqueues in one statement: who is marked gets exactly one message. A row that
-- somebody holds locked is left to the next run.
with due as materialized (
    select id
      from ozhivlyator.users u
     where generation_count = 1 and balance = 0 and not discount_offered
       and first_generation_time < $1::timestamptz - interval '24 hours'
       and not exists (select from ops.recipient r
                        where r.bot = 'ozhivlyator' and r.chat_id = u.chat_id
                          and r.blocked_at is not null)
       for no key update skip locked
), offered as (
    update ozhivlyator.users u
       set discount_offered = true
      from due
     where u.id = due.id
    returning u.chat_id
)
select count(ops.enqueue('messages', 'send-message',
           jsonb_build_object('chatId', chat_id, 'text',
               '🎁 <b>Специальная цена для вас!</b>

Первая фотография ожила. Пополните «оживашки» со скидкой: предложение ждёт в разделе «Баланс».'),
           bot => 'ozhivlyator'))
  from offered;
