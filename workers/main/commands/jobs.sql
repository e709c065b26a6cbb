-- opsctl jobs: what a person asks of the queues.

-- name: list
-- The newest first.
-- $1 queue or null, $2 state or null, $3 how many
select id, queue, kind, state, attempt || '/' || max_attempts,
       to_char(coalesce(finished_at, started_at, run_at), 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       coalesce(group_key, ''), coalesce(last_error, '')
from ops.job
where ($1::text is null or queue = $1) and ($2::text is null or state = $2)
order by id desc
limit $3::int;

-- name: list_json
-- $1 queue or null, $2 state or null, $3 how many
select jsonb_build_object('version', 1, 'jobs', coalesce(jsonb_agg(job order by id desc), '[]'))
from (select id, queue, kind, state, attempt, max_attempts, priority, bot, group_key, dedup_key,
             run_at, created_at, started_at, finished_at, last_error
      from ops.job
      where ($1::text is null or queue = $1) and ($2::text is null or state = $2)
      order by id desc
      limit $3::int) job;

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

-- name: retry
-- $1 id
select ops.job_retry($1::bigint);

-- name: cancel
-- $1 id
select ops.job_cancel($1::bigint);
