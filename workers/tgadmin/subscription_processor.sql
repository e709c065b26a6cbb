-- name: warn
-- $1 now, $2 batch, $3 zone. The 7-day warning, or with a day or less left the 1-day one alone;
-- each once. It is of no use once the access has ended. Locked rows are waited for, because there
-- is no other run today.
with due as materialized (
    select p.id, p.access_expires_at <= $1::timestamptz + interval '1 day' as is_last
      from tgadmin.purchases p
     where p.status in ('paid', 'completed') and p.access_expires_at > $1
       and p.access_expires_at <= $1 + interval '7 days'
       and case when p.access_expires_at <= $1 + interval '1 day' then p.notified_1d_at
                else p.notified_7d_at end is null
       and not exists (select from ops.recipient r
                        where r.bot = 'tgadmin' and r.chat_id = p.telegram_user_id
                          and r.blocked_at is not null)
     order by p.access_expires_at, p.id
     limit $2::int
       for no key update
), warned as (
    update tgadmin.purchases p
       set notified_1d_at = case when is_last then $1 else notified_1d_at end,
           notified_7d_at = case when is_last then notified_7d_at else $1 end
      from due
     where p.id = due.id
    returning p.telegram_user_id, p.product_id, p.access_expires_at, is_last
)
select count(*), coalesce(sum(ops.tell(
           'tgadmin', w.telegram_user_id,
           case when is_last
                then format('⏰ Último aviso: o acesso a <b>%s</b> termina em %s.',
                            ops.html(product.name), ends)
                else format('🔔 O acesso a <b>%s</b> termina em %s. Renove para não perdê-lo.',
                            ops.html(product.name), ends) end,
           w.access_expires_at)), 0)
  from warned w join tgadmin.products product on product.id = w.product_id,
       lateral to_char(w.access_expires_at at time zone $3, 'DD/MM/YYYY HH24:MI') as ends;

-- name: expire
-- $1 now, $2 batch. Ends what is over, tells the buyer, and orders the deletion of what was
-- delivered, a hundred messages of a chat at a time. A bot can delete nothing that is 48 hours old.
with due as materialized (
    select id
      from tgadmin.purchases
     where status in ('paid', 'completed') and access_expires_at <= $1::timestamptz
     order by access_expires_at, id
     limit $2::int
       for no key update skip locked
), expired as (
    update tgadmin.purchases p
       set status = 'expired'
      from due
     where p.id = due.id
    returning p.id, p.telegram_user_id, p.product_id
), too_old as (
    update tgadmin.sent_messages m
       set delete_error = 'older than 48 hours'
      from due
     where m.purchase_id = due.id and m.deleted_at is null and m.delete_error is null
       and m.sent_at <= $1 - interval '48 hours'
    returning 1
), chunk as (
    select chat_id, jsonb_agg(message_id order by message_id) as ids
      from (select chat_id, message_id,
                   (row_number() over (partition by chat_id order by message_id) - 1) / 100 as n
              from tgadmin.sent_messages m join due on due.id = m.purchase_id
             where m.deleted_at is null and m.delete_error is null
               and m.sent_at > $1 - interval '48 hours') as fresh
     group by chat_id, n
), deleting as (
    select count(ops.enqueue('bot-tasks', 'delete-messages-bulk',
                             jsonb_build_object('chatId', chat_id, 'messageIds', ids),
                             bot => 'tgadmin')) as jobs
      from chunk
), told as (
    select coalesce(sum(ops.tell('tgadmin', telegram_user_id, format(
               '⌛ O acesso a <b>%s</b> terminou.', ops.html(product.name)))), 0) as jobs
      from expired join tgadmin.products product on product.id = product_id
)
select (select count(*) from expired), (select jobs from told) + (select jobs from deleting),
       (select count(*) from too_old);
