-- name: addresses
-- $1 now, $2 rows at most. Where money may come to, and since when in milliseconds: to open
-- invoices, to expired ones for another day, and once an hour to those that were redeemed, since
-- people pay twice. What failed is looked at until a scan began after its end. The longest
-- unchecked first, so that a run that breaks off leaves nobody behind for ever.
with watched as (
    select address, create_date, status, 'infinity'::timestamptz as until
      from cashier.crypto_invoice
     where status in ('PAYING', 'PAID', 'CONFIRMED')
    union all
    select address, create_date, status, cashier.watched_until(i)
      from cashier.crypto_invoice i
     where status in ('EXPIRED', 'REDEEMED')
       and coalesce(expired_at, confirmed_date, expire_date)
           > $1::timestamptz - interval '8 days'
)
select a.address, floor(extract(epoch from min(w.create_date)) * 1000)::bigint
  from watched w join cashier.tron_address a on a.address = w.address
 where a.checked_at is null
    or (w.until > a.checked_at
        and (w.status <> 'REDEEMED' or a.checked_at <= $1 - interval '1 hour'))
 group by a.address
 order by a.checked_at nulls first, a.address
 limit $2;

-- name: unsettled
-- $1 now, $2 the addresses that were scanned, $3 transactions that were listed there [{"account",
-- "txid", "time"}], account being the address's place from 0. All that the chain must be asked
-- about, with the time in milliseconds when it was seen there: those, and known ones that may be
-- listed no more, but not what is final, nor what somebody wrote by hand and no chain can know.
with scanned as (
    select address, (n - 1)::int as account
      from jsonb_array_elements_text($2::jsonb) with ordinality as a (address, n)
), listed as (
    select distinct on (l.txid, l.account) l.txid, l.account, l.time
      from jsonb_to_recordset($3::jsonb) as l (txid text, account int, time bigint)
     order by l.txid, l.account, l.time desc
), known as (
    select t.txid, s.account, t.final, t.block_number, t.seen_at,
           floor(extract(epoch from coalesce(t.block_time, t.seen_at)) * 1000)::bigint as time
      from scanned s
      join cashier.crypto_invoice i on i.address = s.address
      join cashier.crypto_transaction t on t.invoice_id = i.id
     where t.txid ~ '^[0-9a-f]{64}$'
)
select coalesce(listed.txid, known.txid) as txid, coalesce(listed.account, known.account),
       coalesce(listed.time, known.time)
  from listed full join known on known.txid = listed.txid and known.account = listed.account
 where known.txid is null
    or (not known.final
        and (listed.txid is not null or known.block_number is not null
             or known.seen_at > $1::timestamptz - interval '24 hours'))
 order by 1, 2;

-- name: settle
-- $1 scans, $2 what was seen, $3 confirmations wanted, $4 now, $5 administrators' chat
select event, invoice_id, txid, jobs
  from cashier.settle($1::jsonb, $2::jsonb, $3::bigint, $4::timestamptz, $5);

-- name: alert
-- $1 administrators' chat or '', $2 whether mail goes out, $3 text
select ops.alert('trongrid-denied', $1, $2::boolean, $3);
