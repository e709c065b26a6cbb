-- name: nothing
select 1;
