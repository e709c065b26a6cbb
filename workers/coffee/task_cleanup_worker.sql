-- name: hide
-- $1 now. Tasks that were completed before today began in Moscow leave people's lists and stay in
-- the table.
with hidden as (
    update coffee.tasks
       set hidden_at = $1::timestamptz
     where status = 'completed' and hidden_at is null and completed_at < coffee.day_start($1)
    returning 1
)
select count(*) from hidden;
