-- name: due
-- $1 now, $2 the last invoice that was looked at. Confirmed ones, and those with links to be made.
select id
  from (select id from cashier.crypto_invoice where status = 'CONFIRMED'
         union
        select invoice_id from accesser.link_due
         where next_attempt_at <= $1::timestamptz) as invoice
 where id > $2::bigint
 order by id
 limit 100;

-- name: redeem
-- $1 invoice, $2 now. The access; null when it was told of already.
select accesser.redeem($1::bigint, $2::timestamptz);

-- name: links
-- $1 invoice, $2 now. The links that are to be made now. A link lasts as long as the access, and
-- however late it is made, for a day; not beyond what Telegram has room for, an int of 32 bits.
select c.id, c.telegram_chat_id, person.telegram_id,
       exists (select from accesser.ban b
                where b.chat_id = c.id and b.user_id = person.telegram_id),
       least(2147483647,
             extract(epoch from greatest(a.end_date, $2::timestamptz + interval '1 day',
                                         clock_timestamp() + interval '1 day'))::bigint)
  from accesser.link_due d
  join accesser.chat c on c.id = d.chat_id
  join accesser.redemption r on r.invoice_id = d.invoice_id
  join accesser.access a on a.id = r.access_id
  join messenger.customer person on person.id = a.customer_id
 where d.invoice_id = $1::bigint and d.next_attempt_at <= $2 and accesser.may_enter(r, $2)
   and not exists (select from accesser.invite_link l
                    where l.invoice_id = d.invoice_id and l.chat_id = d.chat_id)
 order by c.id;

-- name: lifted
-- $1 chat, $2 Telegram's user
select accesser.ban_lifted($1::bigint, $2::bigint);

-- name: good_links
-- $1 invoice, $2 chat. Those of its access that let somebody in there, and that a new one replaces.
-- Not its own: it was made meanwhile by another copy of us, who sends it.
select l.id, l.link
  from accesser.invite_link l
  join accesser.redemption r on r.access_id = l.access_id
 where r.invoice_id = $1::bigint and l.chat_id = $2::bigint and l.revoked_at is null
   and l.invoice_id is distinct from r.invoice_id
 order by l.id;

-- name: link_revoked
-- $1 link, $2 now
select accesser.link_revoked($1::bigint, $2::timestamptz);

-- name: record_link
-- $1 invoice, $2 chat, $3 link, $4 its end in seconds. No row where another copy of us was faster,
-- or the bot has given him one meanwhile: then this link is sent to nobody.
with held as materialized (
    select a.id, r.invoice_id
      from accesser.redemption r join accesser.access a on a.id = r.access_id
     where r.invoice_id = $1::bigint
       for no key update of a
)
insert into accesser.invite_link (access_id, invoice_id, chat_id, link, expire_date)
select held.id, held.invoice_id, $2::bigint, $3, to_timestamp($4::bigint)
  from held
  join accesser.link_due d on d.invoice_id = held.invoice_id and d.chat_id = $2
   for no key update of d
on conflict do nothing
returning id;

-- name: put_off
-- $1 invoice, $2 chat, $3 whether it is refused, $4 milliseconds that Telegram wants us to wait, $5
-- why, $6 now. After a refusal the next try is a minute later, then two, at most an hour.
update accesser.link_due d
   set owed = d.owed or $3::boolean,
       attempts = d.attempts + 1,
       next_attempt_at = $6::timestamptz + greatest(
           $4::bigint * interval '1 ms',
           least(interval '1 hour', interval '30 s' * 2 ^ least(d.attempts + $3::int, 7))),
       last_error = $5
 where d.invoice_id = $1::bigint and d.chat_id = $2::bigint;

-- name: alert
-- $1 chat, $2 why, $3 administrators' chat or '', $4 whether mail goes out
select ops.alert('shop-links:' || c.telegram_chat_id, $3, $4::boolean, format(
           'Бот магазина не может сделать ссылку в чат «%s» (%s): %s. Оплатившие клиенты ждут её; '
           'попытки продолжаются. Боту нужны права приглашать и блокировать участников.',
           c.title, c.telegram_chat_id, $2::text))
  from accesser.chat c
 where c.id = $1::bigint;

-- name: hold
-- $1 invoice. For the rest of the transaction, all that `deliver` changes.
select cashier.hold($1::bigint);

-- name: deliver
-- $1 invoice, $2 now, $3 translation set in use. Sends the links that were made, once there is
-- nothing to wait for: the message, REDEEMED and the free address at once. What is owed follows in
-- a message of its own. The time of an access that began with this payment begins with its first
-- link, even where it was over before that.
with redeemed as (
    update cashier.crypto_invoice i
       set status = 'REDEEMED'
     where i.id = $1::bigint and i.status = 'CONFIRMED'
       and exists (select from accesser.redemption r where r.invoice_id = i.id)
       and not exists (select from accesser.link_due d
                        where d.invoice_id = i.id and not d.owed
                          and not exists (select from accesser.invite_link l
                                           where l.invoice_id = i.id and l.chat_id = d.chat_id))
    returning i.id, i.address
), freed as (
    update cashier.tron_address t
       set status = 'FREE', free_at = $2
      from redeemed
     where t.address = redeemed.address
       and not exists (select from cashier.crypto_invoice i
                        where i.address = t.address and i.id <> redeemed.id
                          and i.status in ('PAYING', 'PAID', 'CONFIRMED'))
), sent as (
    update accesser.invite_link l
       set sent_at = $2
     where l.invoice_id = $1 and l.sent_at is null and l.revoked_at is null
       and (exists (select from redeemed)
            or exists (select from cashier.crypto_invoice i
                        where i.id = $1 and i.status = 'REDEEMED'))
    returning l.chat_id, l.link
), settled as (
    delete from accesser.link_due d
     using sent
     where d.invoice_id = $1 and d.chat_id = sent.chat_id
), begun as (
    update accesser.access a
       set start_date = $2, end_date = a.end_date + ($2::timestamptz - r.granted_at),
           active = true, revoked_date = null, expiry_notified_at = null
      from accesser.redemption r
     where r.invoice_id = $1 and a.id = r.access_id and a.start_date = r.granted_at
       and $2 > r.granted_at and exists (select from sent)
       and not exists (select from accesser.invite_link l
                        where l.invoice_id = $1 and l.sent_at is not null)
    returning a.id, a.end_date
), news as (
    select person.telegram_id,
           case when not exists (select from redeemed) then messenger.translate(words,
               'The links to <b>{{plan}}</b> that were still missing:', fields)
                when a.start_date = r.granted_at then messenger.translate(words,
               'Payment received, thank you! <b>{{plan}}</b> is open to you until {{until}} UTC.',
               fields)
                else messenger.translate(words,
               'Payment received, thank you! <b>{{plan}}</b> is prolonged until {{until}} UTC.',
               fields) end as head,
           case when exists (select from sent) then messenger.translate(words,
               'Each link lets one person in, once. Where you are a member, you do not need it.')
           end as rule,
           case when owed <> '' then messenger.translate(words,
               'No link can be made right now to {{chats}}; it follows as soon as possible.',
               jsonb_build_object('chats', owed)) end as missing
      from accesser.redemption r
      join accesser.access a on a.id = r.access_id
      join accesser.plan on plan.id = a.plan_id
      join messenger.customer person on person.id = a.customer_id,
           lateral messenger.set_of(person.id, $3) as words,
           lateral (select coalesce((select end_date from begun), a.end_date)) as over (end_date),
           lateral jsonb_build_object(
               'plan', plan.title,
               'until', to_char(over.end_date at time zone 'UTC', 'YYYY-MM-DD HH24:MI')) as fields,
           lateral (select coalesce(string_agg(left(c.title, 128), ', ' order by c.title), '')
                      from accesser.link_due d join accesser.chat c on c.id = d.chat_id
                     where d.invoice_id = $1
                       and not exists (select from sent where sent.chat_id = d.chat_id)
                       and exists (select from redeemed)) as late (owed)
     where r.invoice_id = $1 and (exists (select from redeemed) or exists (select from sent))
), line as (
    select (row_number() over (order by c.title, c.id) - 1) / 10 as page,
           format('• <a href="%s">%s</a>', ops.html(link),
                  ops.html(coalesce(nullif(left(c.title, 128), ''), c.telegram_chat_id::text)))
               as words
      from sent join accesser.chat c on c.id = sent.chat_id
), page as (
    select number, (select string_agg(words, chr(10) order by words) from line where page = number)
               as lines,
           number = max(number) over () as is_last
      from generate_series(0, (select coalesce(max(page), 0) from line)) as number
), told as (
    select ops.tell('shop', telegram_id, concat_ws(chr(10) || chr(10),
               case when number = 0 then head end, lines,
               case when is_last then rule end, case when is_last then missing end)) as jobs
      from news, page
     order by number
)
select (select count(*) from redeemed), (select count(*) from sent),
       coalesce((select sum(jobs) from told), 0);
