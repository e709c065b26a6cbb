-- name: aggregate
-- $1 now. Counts anew every hour from the one before the last good run on, so that nothing is
-- missed however long nothing ran, and nothing is counted twice.
with since as materialized (
    select date_trunc('hour', least($1::timestamptz, max(started_at))) - interval '1 hour' as hour,
           max(started_at) is null as is_first
      from ops.run
     where app = 'tgadmin' and worker = 'analytics_aggregate' and exit_code = 0
), happened as (
    select date_trunc('hour', sent_at) as hour, group_id,
           case when status = 'failed' then 'failed' else 'post' end as what
      from tgadmin.post_history
     where sent_at <= $1 and (sent_at >= (select hour from since) or (select is_first from since))
    union all
    select date_trunc('hour', deleted_at), group_id, 'deleted'
      from tgadmin.post_history
     where deleted_at <= $1
       and (deleted_at >= (select hour from since) or (select is_first from since))
), counted as (
    select hour, group_id, count(*) filter (where what = 'post') as posts,
           count(*) filter (where what = 'deleted') as deleted,
           count(*) filter (where what = 'failed') as failed
      from happened
     group by hour, group_id
), written as (
    insert into tgadmin.analytics_hourly as a (hour, group_id, posts, deleted, failed)
    select hour, group_id, posts, deleted, failed from counted
    on conflict (hour, group_id) do update
        set posts = excluded.posts, deleted = excluded.deleted, failed = excluded.failed
      where (a.posts, a.deleted, a.failed)
            is distinct from (excluded.posts, excluded.deleted, excluded.failed)
    returning 1
)
select (select count(*) from counted), count(*) from written;
