-- name: notify
-- Every change that nobody was told of, as one message per owner: net change per item, under the
-- warehouse or the stand where it is. Told and marked at once. What cancels out is not worth a
-- line.
with news as (
    update coffee.inventory_change_log
       set is_notified = true
     where not is_notified
    returning user_id, terminal_id, location, item_name, delta
), net as (
    select user_id, terminal_id, location, item_name, sum(delta) as delta
      from news
     group by user_id, terminal_id, location, item_name
    having sum(delta) <> 0
), line as (
    select net.user_id, location, terminal_id, item_name,
           case location when 'warehouse' then 'Склад'
                else format('Стойка «%s»', coalesce(nullif(coffee.label(terminal.name), ''),
                                                    terminal.vendista_id::text)) end as place,
           format('• %s: %s%s', coffee.label(item_name), case when delta > 0 then '+' else '−' end,
                  trim_scale(abs(delta))) as words
      from net left join coffee.terminals terminal on terminal.id = net.terminal_id
), report as (
    select user_id,
           array_agg(place order by location desc, place, terminal_id, item_name) as places,
           array_agg(words order by location desc, place, terminal_id, item_name) as lines
      from line
     group by user_id
), told as (
    select ops.tell('coffee', owner.telegram_id, page) as messages
      from report
      join coffee.users owner on owner.id = report.user_id,
           coffee.pages('<b>Изменения остатков за час</b>', places, lines) page
)
select (select count(*) from news), (select count(*) from report), coalesce(sum(messages), 0)
  from told;
