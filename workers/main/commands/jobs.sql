-- opsctl jobs: what a person asks of the queues.

-- name: show
-- $1 id
select field.name, field.value
from ops.job, lateral (values
    (1, 'id', id::text), (2, 'queue', queue), (3, 'kind', kind), (4, 'state', state),
    (5, 'attempt', attempt || ' of ' || max_attempts), (6, 'bot', bot), (7, 'group_key', group_key),
    (8, 'priority', priority::text), (9, 'dedup_key', dedup_key), (10, 'run_at', run_at::text),
    (11, 'created_at', created_at::text), (12, 'started_at', started_at::text),
    (13, 'finished_at', finished_at::text), (14, 'locked_by', locked_by),
    (15, 'last_error', last_error), (16, 'payload', payload::text), (17, 'result', result::text),
    (18, 'errors', nullif(errors::text, '[]'))) field (place, name, value)
where id = $1::bigint and field.value is not null
order by place;

-- name: show_json
-- $1 id
select to_jsonb(job) - 'is_due' - 'ring' from ops.job where id = $1::bigint;

-- name: retry_all
-- $1 queue, $2 state, $3 how many, $4 who retries. The oldest first; one whose dedup_key an open
-- job has stays, and of several with the same one all but the first.
with wanted as materialized (
    select id
    from (select distinct on (coalesce(dedup_key, id::text)) id
          from ops.job j
          where queue = $1 and state = $2
            and not exists (select from ops.job_open o
                            where o.queue = j.queue and o.dedup_key = j.dedup_key)
          order by coalesce(dedup_key, id::text), id) one
    order by id
    limit $3::int
), retried as materialized (
    select id, ops.job_retry(id) as state from wanted order by id
)
select count(*), ops.audit($4, 'job-retry', jsonb_build_object(
           'queue', $1, 'was', $2, 'jobs', coalesce(jsonb_agg(id order by id), '[]')))
from retried
where state = 'available';
