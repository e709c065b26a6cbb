-- name: rows
-- $1 set
select id, from_text, coalesce(to_text, '') from messenger.translation where name = $1 order by id;
