-- name: forget
-- $1 set. All of it, with what was translated.
delete from messenger.translation where name = $1;

-- name: retire
-- $1 set, $2 texts of the source, a list. Those that the source has no more.
update messenger.translation t
   set active = false
 where t.name = $1 and t.active
   and not exists (select from jsonb_array_elements_text($2::jsonb) as text
                    where text = t.from_text)
returning t.from_text;

-- name: make
-- $1 set, $2 texts of the source, a list. How many are new and how many are back.
with made as (
    insert into messenger.translation as t (name, from_text)
    select $1, text
      from jsonb_array_elements_text($2::jsonb) with ordinality as source (text, n)
     order by n
    on conflict (name, from_text) do update set active = true where not t.active
    returning t.xmax = 0 as is_new
)
select count(*) filter (where is_new), count(*) filter (where not is_new) from made;
