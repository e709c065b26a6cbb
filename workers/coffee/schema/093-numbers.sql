-- A number that has no room where it goes is none, as a text is: its sale is stored without it, and
-- those beside it as ever. One alone kept its page, and so its owner, from being imported at all.

-- A whole number of so many digits, also one that comes with zeros behind the point.
create function coffee.whole(value jsonb, digits int) returns bigint
language sql immutable parallel safe as $$
    select substring(value #>> '{}'
                     from '^(-?[0-9]{1,' || digits::text || '})(?:[.]0+)?$')::bigint
$$;

create or replace function coffee.whole(value jsonb) returns bigint
language sql immutable parallel safe as $$
    select coffee.whole(value, 18)
$$;

-- Stores one page of an owner's transactions as Vendista gave it, and settles what follows for the
-- stock. ids are those of the page's items, in order, to look them up by; an item without one there
-- is read like a new one. A historical import settles nothing; what it finds from before
-- regular_from is never written off, what is younger is left to the regular imports, which reach
-- back that far.
create or replace function coffee.store_sales(
    owner bigint, page json, ids bigint[], is_historical boolean, regular_from timestamptz,
    zone text, now timestamptz, out seen int, out stored int, out refused int,
    out written_off int, out returned int, out tasks int, out told int)
language plpgsql volatile as $$
declare
    news    json[];
    fields  jsonb[];
    changed bigint[];
begin
    written_off := 0; returned := 0; tasks := 0; told := 0; stored := 0; refused := 0;
    perform coffee.owner_lock(owner);

    -- Most of what comes is known already, and costs no more than this look.
    select count(*),
           array_agg(item order by n) filter (where known.payload::text is distinct from item::text)
      into seen, news
      from rows from (json_array_elements(page -> 'items'), unnest(ids)) with ordinality
           given (item, id, n)
      left join coffee.transactions known on known.id = given.id;
    if news is null then
        return;
    end if;
    fields := news::jsonb[];

    -- A machine that is not synchronised yet.
    insert into coffee.terminals (user_id, vendista_id, name)
    select distinct on (coffee.whole(item -> 'term_id'))
           owner, coffee.whole(item -> 'term_id'), coalesce(item ->> 'terminal_comment', '')
      from unnest(fields) item
     where coffee.whole(item -> 'term_id') is not null and coffee.whole(item -> 'id') is not null
        on conflict (user_id, vendista_id) do nothing;

    with given as (
        select coffee.whole(item -> 'id') as id,
               coffee.whole(item -> 'term_id') as vendista_id,
               coffee.whole(item #> '{machine_item,0,machine_item_id}') as machine_item_id,
               case when item #> '{machine_item,1}' is not null
                    then coffee.items(item -> 'machine_item') end as items,
               coffee.whole(item -> 'sum', 14) / 100.0 as amount,
               coffee.instant(item ->> 'time', zone) as at,
               coffee.whole(item -> 'result', 9)::int as result,
               coalesce(coffee.whole(item -> 'reverse_id'), 0) as reverse_id,
               payload, n
          from unnest(news, fields) with ordinality given (payload, item, n)
    ), latest as (
        select distinct on (id) *
          from given
         where id is not null
         order by id, (reverse_id <> 0) desc, n desc
    ), upserted as (
        insert into coffee.transactions as t
               (id, user_id, terminal_id, machine_item_id, more_items, amount, transaction_time,
                result, reverse_id, payload, historical, first_seen_at)
        select latest.id, owner, terminal.id, coalesce(items[1], latest.machine_item_id),
               nullif(items[2:], '{}'), latest.amount, latest.at, latest.result, latest.reverse_id,
               latest.payload,
               is_historical and coalesce(latest.at < regular_from, true), now
          from latest
          left join coffee.terminals terminal on terminal.user_id = owner
                                             and terminal.vendista_id = latest.vendista_id
         order by latest.id
        on conflict (id) do update
           set terminal_id = coalesce(t.terminal_id, excluded.terminal_id),
               machine_item_id = coalesce(t.machine_item_id, excluded.machine_item_id),
               more_items = case when t.machine_item_id is null then excluded.more_items
                                 else t.more_items end,
               amount = coalesce(excluded.amount, t.amount),
               transaction_time = coalesce(excluded.transaction_time, t.transaction_time),
               result = case when t.result = 1 then 1 else excluded.result end,
               reverse_id = coalesce(nullif(t.reverse_id, 0), excluded.reverse_id),
               payload = excluded.payload
         where t.user_id = excluded.user_id
        returning t.id
    )
    select array_agg(id), count(*), (select count(*) from given where id is null)
      into changed, stored, refused
      from upserted;

    update coffee.transactions t
       set status = fit.status, stock_state = fit.stock_state
      from (select sold.id,
                   case when not is_sale then 'ignored'
                        when recipe.id is null
                             or sold.more_items is not null
                                and not coffee.has_recipes(sold.terminal_id, sold.more_items)
                            then 'needs_recipe'
                        else 'ok' end as status,
                   case when stock_state in ('taken', 'returned') or historical then stock_state
                        when is_sale then 'due'
                        else 'none' end as stock_state
              from coffee.transactions sold
              left join coffee.recipes recipe on recipe.terminal_id = sold.terminal_id
                                             and recipe.machine_item_id = sold.machine_item_id
             where sold.id = any (changed)) fit
     where t.id = fit.id
       and (t.status, t.stock_state) is distinct from (fit.status, fit.stock_state);

    if not is_historical then
        select s.written_off, s.returned, s.tasks, s.told into written_off, returned, tasks, told
          from coffee.settle(owner, now) s;
    end if;
end
$$;

-- The machines of an owner as Vendista lists them. What is missing from the list is out of use, but
-- an empty list is taken for a fault, not for the loss of everything.
create or replace function coffee.store_terminals(
    owner bigint, page jsonb, is_last boolean, zone text, now timestamptz, out seen int,
    out changed int)
language plpgsql volatile as $$
begin
    perform coffee.owner_lock(owner);
    with given as (
        select distinct on (coffee.whole(item -> 'id'))
               coffee.whole(item -> 'id') as vendista_id,
               coalesce(nullif(item ->> 'comment', ''), item ->> 'serial_number', '') as name,
               item ->> 'serial_number' as serial_number,
               coalesce(coffee.whole(item -> 'last_hour_online'), 0) > 0 as is_online,
               coalesce(to_timestamp(coffee.whole(item -> 'last_online_time', 11)),
                        coffee.instant(item ->> 'last_online_time', zone)) as last_online_time
          from jsonb_array_elements(page -> 'items') item
         where coffee.whole(item -> 'id') is not null
    ), stored as (
        insert into coffee.terminals as t (user_id, vendista_id, name, serial_number, is_online,
                                           is_active, last_online_time, synced_at)
        select owner, vendista_id, name, serial_number, is_online, true, last_online_time, now
          from given
         order by vendista_id
        on conflict (user_id, vendista_id) do update
           set name = excluded.name, serial_number = excluded.serial_number,
               is_online = excluded.is_online, is_active = true,
               last_online_time = coalesce(excluded.last_online_time, t.last_online_time),
               synced_at = excluded.synced_at
        returning 1
    )
    select jsonb_array_length(page -> 'items'), count(*) into seen, changed from stored;
    -- Each page of this synchronisation has put its instant on its machines.
    if is_last and exists (select from coffee.terminals
                            where user_id = owner and synced_at >= now) then
        update coffee.terminals
           set is_active = false, is_online = false
         where user_id = owner and is_active and coalesce(synced_at < now, true);
    end if;
end
$$;
