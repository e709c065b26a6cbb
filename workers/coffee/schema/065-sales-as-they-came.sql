-- A transaction keeps the text that came, so that what is known already is recognised without being
-- taken apart: most of every page is. Fields of new ones are read as before.

alter table coffee.transactions alter column payload type json using payload::json;
comment on column coffee.transactions.payload is 'byte for byte as it came last';

-- Inlined, and then its argument is computed only once.
create or replace function coffee.whole(value jsonb) returns bigint
language sql immutable parallel safe as $$
    select substring(value #>> '{}' from '^-?[0-9]{1,18}$')::bigint
$$;

drop function coffee.store_sales(bigint, jsonb, boolean, timestamptz, text, timestamptz);

-- Stores one page of an owner's transactions as Vendista gave it, and settles what follows for the
-- stock. ids are those of the page's items, in order, to look them up by; an item without one there
-- is read like a new one. A historical import settles nothing; what it finds from before
-- regular_from is never written off, what is younger is left to the regular imports, which reach
-- back that far.
create function coffee.store_sales(
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
               coffee.whole(item -> 'sum') / 100.0 as amount,
               coffee.instant(item ->> 'time', zone) as at,
               coffee.whole(item -> 'result')::int as result,
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
               (id, user_id, terminal_id, machine_item_id, amount, transaction_time, result,
                reverse_id, payload, historical, first_seen_at)
        select latest.id, owner, terminal.id, latest.machine_item_id, latest.amount, latest.at,
               latest.result, latest.reverse_id, latest.payload,
               is_historical and coalesce(latest.at < regular_from, true), now
          from latest
          left join coffee.terminals terminal on terminal.user_id = owner
                                             and terminal.vendista_id = latest.vendista_id
         order by latest.id
        on conflict (id) do update
           set terminal_id = coalesce(t.terminal_id, excluded.terminal_id),
               machine_item_id = coalesce(t.machine_item_id, excluded.machine_item_id),
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
                        when recipe.id is null then 'needs_recipe'
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
