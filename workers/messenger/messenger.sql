-- What the bot's replies ask and write, and what every talk needs. Amounts are shown without zeros
-- at their end, instants in UTC.

-- name: person
-- $1 Telegram's id, $2 username, $3 first name, $4 language, $5 bot, $6 the set in use. Whoever
-- writes can be written to again. `said` counts what he did within a minute of its beginning.
with cleared as (
    delete from ops.recipient where bot = $5 and chat_id = $1::bigint
)
insert into messenger.customer as c (telegram_id, username, first_name, language, said_since, said)
values ($1::bigint, nullif(left($2, 64), ''), left($3, 128), left($4, 35), clock_timestamp(), 1)
on conflict (telegram_id) do update
    set username = excluded.username, first_name = excluded.first_name,
        language = case when c.language = '' then excluded.language else c.language end,
        said_since = case when c.said_since > excluded.said_since - interval '1 minute'
                          then c.said_since else excluded.said_since end,
        said = case when c.said_since > excluded.said_since - interval '1 minute'
                    then c.said + 1 else 1 end
returning id, telegram_id, first_name, coalesce(translation, $6),
          (select version from messenger.translation_version), said;

-- name: known_person
-- $1 customer, $2 the set in use. As person, for somebody who did nothing.
select id, telegram_id, first_name, coalesce(translation, $2),
       (select version from messenger.translation_version), 0
  from messenger.customer
 where id = $1::bigint;

-- name: texts
select name, from_text, to_text from messenger.translation where to_text <> '';

-- name: say
-- $1 bot, $2 messages: [{"kind", "payload"}], in their order
select count(ops.enqueue('messages', message ->> 'kind', message -> 'payload', bot => $1))
  from (select message
          from jsonb_array_elements($2::jsonb) with ordinality as m (message, n)
         order by n) as ordered;

-- --- language ---

-- name: sets
-- The sets that a person may choose from: those that have translations.
select distinct name from messenger.translation where to_text <> '' order by name limit 50;

-- name: choose_set
-- $1 customer, $2 set, '' for the words of the source. No row: there is no such set.
update messenger.customer c
   set translation = $2
 where c.id = $1::bigint
   and ($2 = '' or exists (select from messenger.translation t
                            where t.name = $2 and t.to_text <> ''))
returning translation;

-- --- plans ---

-- name: plans
-- What can be sold: its chats are there.
select p.id, p.title, trim_scale(p.price)::text, p.duration_days
  from accesser.plan p
 where exists (select from accesser.plan_chat pc join accesser.chat c on c.id = pc.chat_id
                where pc.plan_id = p.id and c.active)
 order by p.price, p.id
 limit 50;

-- name: plan
-- $1 plan; one row for each of its chats
select p.id, p.title, trim_scale(p.price)::text, p.duration_days, c.title
  from accesser.plan p
  join accesser.plan_chat pc on pc.plan_id = p.id
  join accesser.chat c on c.id = pc.chat_id and c.active
 where p.id = $1::bigint
 order by c.title, c.id;

-- --- buying ---

-- name: offer
-- $1 customer, $2 plan or null, $3 access that is prolonged or null (then its plan), $4 now. The
-- invoice that is being built: one for each plan, good for 30 minutes from now.
with wanted as (
    select p.id, p.title, p.price, p.duration_days, a.id as access_id
      from accesser.plan p
      left join accesser.access a on a.id = $3::bigint and a.customer_id = $1::bigint
                                 and a.plan_id = p.id
     where p.id = coalesce($2::bigint, a.plan_id) and ($3 is null or a.id is not null)
       and exists (select from accesser.plan_chat pc join accesser.chat c on c.id = pc.chat_id
                    where pc.plan_id = p.id and c.active)
), renewed as (
    update cashier.building_invoice b
       set expire_date = $4::timestamptz + interval '30 minutes'
     where b.id = (select max(other.id)
                     from cashier.building_invoice other join wanted on wanted.id = other.plan_id
                    where other.customer_id = $1 and other.expire_date > $4)
    returning b.id
), made as (
    insert into cashier.building_invoice (customer_id, plan_id, create_date, expire_date)
    select $1, wanted.id, $4, $4 + interval '30 minutes'
      from wanted
     where not exists (select from renewed)
    returning id
)
select coalesce((select id from renewed), (select id from made)), title,
       trim_scale(price)::text, duration_days, access_id
  from wanted;

-- name: pay
-- $1 customer, $2 invoice that is being built, $3 access that is prolonged or null, $4 now. What
-- comes of it (cashier.pay), and the invoice to pay.
select outcome, invoice_id from cashier.pay($1::bigint, $2::bigint, $3::bigint, $4::timestamptz);

-- name: pool_empty
-- $1 administrators' chat or '', $2 whether mail goes out. Somebody wanted to pay and could not.
select ops.alert('shop-addresses', $1, $2::boolean,
                 'Нет свободных адресов: клиенты не могут оплатить. Добавьте адреса: '
                 'opsctl import_tron_addresses ФАЙЛ');

-- name: unpaid
-- $1 customer. His open invoices, of which there are a few at most.
select i.id, p.title, trim_scale(i.amount)::text
  from cashier.crypto_invoice i
  join accesser.plan p on p.id = i.plan_id
 where i.customer_id = $1::bigint and i.status = 'PAYING'
 order by i.id;

-- name: cancel
-- $1 customer, $2 invoice, $3 now. Whether it is over now, by his word.
select cashier.cancel($1::bigint, $2::bigint, $3::timestamptz);

-- name: invoice
-- $1 customer, $2 invoice, or null for his last one, $3 now
select i.id, p.title, i.status, trim_scale(i.amount)::text, i.address,
       to_char(i.expire_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
       i.expire_date <= $3::timestamptz, coalesce(t.confirmations, 0), t.required
  from cashier.crypto_invoice i
  join accesser.plan p on p.id = i.plan_id
  left join lateral (select confirmations, required
                       from cashier.crypto_transaction t
                      where t.invoice_id = i.id and t.pays
                      order by confirmations desc
                      limit 1) as t on true
 where i.customer_id = $1::bigint and ($2::bigint is null or i.id = $2)
 order by i.id desc
 limit 1;

-- --- accesses ---

-- name: accesses
-- $1 customer, $2 now. The active ones, and those that ended lately.
select a.id, p.title, a.active, to_char(a.end_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
  from accesser.access a
  join accesser.plan p on p.id = a.plan_id
 where a.customer_id = $1::bigint
   and (a.active or a.end_date > $2::timestamptz - interval '60 days')
 order by a.active desc, a.end_date desc, a.id desc
 limit 50;

-- name: access
-- $1 customer, $2 access, $3 now. One row for each of its chats, with its link where there is a
-- good one.
select a.id, p.title, a.active,
       to_char(a.end_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'),
       c.title,
       (select l.link from accesser.invite_link l
         where l.access_id = a.id and l.chat_id = c.id and l.revoked_at is null
           and coalesce(l.expire_date > $3::timestamptz, true)
         order by l.id desc
         limit 1)
  from accesser.access a
  join accesser.plan p on p.id = a.plan_id
  left join (accesser.plan_chat pc join accesser.chat c on c.id = pc.chat_id and c.active)
         on pc.plan_id = p.id
 where a.id = $2::bigint and a.customer_id = $1::bigint
 order by c.title, c.id;

-- name: restorable
-- $1 customer, $2 access, $3 now. One row for each chat of the access, while it holds: with its
-- good links, one on each line, how many he was given here, when a new one ends (with the access,
-- in a week at the latest, a day at least), and whether a person of ours has banned him there.
select c.id, c.telegram_chat_id, c.title,
       coalesce((select string_agg(l.link, chr(10) order by l.id) from accesser.invite_link l
                  where l.access_id = a.id and l.chat_id = c.id and l.revoked_at is null), ''),
       (select count(*) from accesser.invite_link l
         where l.access_id = a.id and l.chat_id = c.id and l.invoice_id is null),
       floor(extract(epoch from greatest(
           least(a.end_date, $3::timestamptz + interval '7 days'),
           $3 + interval '1 day')))::bigint,
       exists (select from accesser.ban b
                where b.chat_id = c.id and b.user_id = person.telegram_id and b.by_hand)
  from accesser.access a
  join messenger.customer person on person.id = a.customer_id
  join accesser.plan_chat pc on pc.plan_id = a.plan_id
  join accesser.chat c on c.id = pc.chat_id and c.active
 where a.id = $2::bigint and a.customer_id = $1::bigint and a.active
   and not accesser.is_over(a, $3)
 order by c.title, c.id
 limit 30;

-- name: ban_lifted
-- $1 chat, $2 customer
select accesser.ban_lifted($1::bigint, telegram_id) from messenger.customer where id = $2::bigint;

-- name: link_revoked
-- $1 access, $2 chat, $3 link, $4 now
update accesser.invite_link
   set revoked_at = $4::timestamptz
 where access_id = $1::bigint and chat_id = $2::bigint and link = $3 and revoked_at is null;

-- name: link_made
-- $1 customer, $2 access, $3 chat, $4 link, $5 its end in seconds, $6 now. No row: the access has
-- ended meanwhile, and the link is given to nobody. It is the link that was owed, where one was,
-- and the access begins with it when it is the first.
with made as (
    insert into accesser.invite_link (access_id, chat_id, link, expire_date, sent_at)
    select a.id, $3::bigint, $4, to_timestamp($5::bigint), $6::timestamptz
      from accesser.access a
     where a.id = $2::bigint and a.customer_id = $1::bigint and a.active
       and not accesser.is_over(a, $6)
       for no key update of a
    on conflict (link) do update set link = excluded.link
    returning link
), settled as (
    delete from accesser.link_due d
     using accesser.redemption r
     where r.access_id = $2 and d.invoice_id = r.invoice_id and d.chat_id = $3
       and exists (select from made)
    returning d.invoice_id
), begun as (
    update accesser.access a
       set start_date = $6, end_date = a.end_date + ($6 - r.granted_at)
      from settled s join accesser.redemption r on r.invoice_id = s.invoice_id
     where a.id = r.access_id and a.start_date = r.granted_at and $6 > r.granted_at
       and not exists (select from accesser.invite_link l
                        where l.access_id = a.id and l.sent_at is not null)
)
select link from made;

-- --- document 003 ---

-- name: models
select public_id, name from tgadmin.models where is_active order by name, id limit 50;

-- name: model
-- $1 public id; one row for each product, at least one; photos is a list
select m.name, m.username, m.tier, m.preview_photos, p.id, p.name,
       to_char(p.price, 'FM999999990.00'), p.currency
  from tgadmin.models m
  left join tgadmin.products p on p.model_id = m.id
 where m.public_id = $1 and m.is_active
 order by p.price, p.id
 limit 50;

-- name: product
-- $1 product
select p.id, p.name, to_char(p.price, 'FM999999990.00'), p.currency, p.type,
       p.details ->> 'photos', p.details ->> 'videos', p.details ->> 'days', m.public_id, m.name
  from tgadmin.products p
  join tgadmin.models m on m.id = p.model_id
 where p.id = $1::bigint and m.is_active;

-- name: checkout
-- $1 buyer on Telegram, $2 product. The order that is not paid yet, or a new one.
with wanted as (
    select p.id, p.name, p.price, p.currency
      from tgadmin.products p join tgadmin.models m on m.id = p.model_id
     where p.id = $2::bigint and m.is_active
), open as (
    select max(b.id) as id
      from tgadmin.purchases b join wanted w on w.id = b.product_id
     where b.telegram_user_id = $1::bigint and b.status = 'pending' and b.amount = w.price
       and b.currency = w.currency
), made as (
    insert into tgadmin.purchases (telegram_user_id, product_id, amount, currency)
    select $1, w.id, w.price, w.currency
      from wanted w
     where (select id from open) is null
    returning id
)
select coalesce((select id from open), (select id from made)), name,
       to_char(price, 'FM999999990.00'), currency
  from wanted;
