-- A sale may be of several things at once. The first is in machine_item_id, as ever, the others are
-- in more_items, one entry per piece. It is written off as a whole, once each of them has its
-- recipe.

alter table coffee.transactions add column more_items bigint[];

-- The products in the list that a sale came with. What names none is none.
create function coffee.items(list jsonb) returns bigint[]
language sql immutable parallel safe as $$
    select array_agg(id order by n)
      from (select coffee.whole(item -> 'machine_item_id') as id, n
              from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list end)
                   with ordinality given (item, n)) t
     where id is not null
$$;

create function coffee.has_recipes(machine bigint, items bigint[]) returns boolean
language sql stable parallel safe as $$
    select not exists (select from unnest(items) item
                        where not exists (select from coffee.recipes recipe
                                           where recipe.terminal_id = machine
                                             and recipe.machine_item_id = item))
$$;

-- What is written off already stays as it is; what is still due will be, as a whole.
update coffee.transactions t
   set machine_item_id = items[1], more_items = nullif(items[2:], '{}')
  from (select id, coffee.items(payload::jsonb -> 'machine_item')
          from coffee.transactions
         where stock_state = 'due' and payload::jsonb #> '{machine_item,1}' is not null)
       several (id, items)
 where t.id = several.id and items is not null;

create or replace function coffee.settle(
    owner bigint, now timestamptz, out written_off int, out returned int, out tasks int,
    out told int)
language plpgsql volatile as $$
declare
    machines bigint[];
begin
    perform coffee.owner_lock(owner);
    with sale as materialized (
        select sale.id, sale.terminal_id, recipe.id as recipe_id, sale.more_items
          from coffee.recipes recipe
          join coffee.terminals terminal on terminal.id = recipe.terminal_id
                                        and terminal.user_id = owner
          join coffee.transactions sale on sale.terminal_id = recipe.terminal_id
                                       and sale.machine_item_id = recipe.machine_item_id
                                       and sale.stock_state = 'due'
         where sale.more_items is null or coffee.has_recipes(sale.terminal_id, sale.more_items)
    ), sold as (
        select id, terminal_id, recipe_id from sale
         union all
        select sale.id, sale.terminal_id, recipe.id
          from sale cross join unnest(sale.more_items) item
          join coffee.recipes recipe on recipe.terminal_id = sale.terminal_id
                                    and recipe.machine_item_id = item
    ), reversed as materialized (
        select id, terminal_id
          from coffee.transactions
         where user_id = owner and stock_state = 'taken' and not is_sale
    ), taken as (
        insert into coffee.write_offs (transaction_id, inventory_id, quantity)
        select sold.id, stock.id, sum(item.quantity)
          from sold
          join coffee.recipe_items item on item.recipe_id = sold.recipe_id and item.quantity > 0
          join coffee.inventories stock on stock.terminal_id = sold.terminal_id
                                       and stock.item_name = item.item_name
         group by sold.id, stock.id
        returning inventory_id, quantity
    ), moved as (
        select inventory_id, sum(delta) as delta
          from (select inventory_id, -quantity as delta from taken
                 union all
                select inventory_id, quantity
                  from coffee.write_offs join reversed on reversed.id = transaction_id) move
         group by inventory_id
    ), stocked as (
        update coffee.inventories stock
           set current_stock = stock.current_stock + moved.delta
          from moved
         where stock.id = moved.inventory_id and moved.delta <> 0
        returning stock.*, moved.delta
    ), logged as (
        insert into coffee.inventory_change_log
               (user_id, terminal_id, location, item_name, delta, changed_by, created_at)
        select user_id, terminal_id, location, item_name, delta, 'import', now from stocked
    ), marked as (
        update coffee.transactions t
           set stock_state = case when done.sold > 0 then 'taken' else 'returned' end,
               status = case when done.sold > 0 then 'ok' else 'ignored' end
          from (select id, terminal_id, 1 as sold from sale
                 union all
                select id, terminal_id, -1 from reversed) done
         where t.id = done.id
        returning t.terminal_id, done.sold
    ), counted as (
        update coffee.terminals terminal
           set sales_since_cleaning = greatest(0, sales_since_cleaning + sold),
               sales_since_service = greatest(0, sales_since_service + sold)
          from (select terminal_id, sum(sold) as sold from marked group by terminal_id) sales
         where terminal.id = sales.terminal_id
    )
    select (select count(*) from sale), (select count(*) from reversed),
           (select array_agg(distinct terminal_id) from sale)
      into written_off, returned, machines;
    select made.tasks, made.told into tasks, told from coffee.restock(machines, now) made;
end
$$;

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
