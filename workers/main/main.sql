-- What workers and commands of this app share.

-- name: webhook
-- The row as the tunneler left it.
select type, url, pid, tunnel_start, tunnel_command from main.webhook;

-- name: jobs
-- The newest first. The history of a busy day is long and has no index but that of
-- ids: of what is done or cancelled only the newest numbers are looked through, in their order;
-- complete: there are no others.
-- $1 queue or null, $2 state or null, $3 how many, $4 how many numbers back
select jsonb_build_object(
           'version', 1, 'jobs', coalesce(jsonb_agg(job order by id desc), '[]'),
           'complete', count(*) = $3::int or coalesce($2, 'done') not in ('done', 'cancelled')
                       or not exists (
                           select from ops.job_done
                           where id <= (select last_value from ops.job_number) - $4::bigint))
from (select id, queue, kind, state, attempt, max_attempts, priority, bot, group_key, dedup_key,
             run_at, created_at, started_at, finished_at, last_error
      from (select * from ops.job_open
            union all select * from ops.job_dead
            union all select * from ops.job_done
            where id > (select last_value from ops.job_number) - $4::bigint) job
      where ($1::text is null or queue = $1) and ($2::text is null or state = $2)
      order by id desc
      limit $3::int) job;

-- A person's word on jobs, by `opsctl jobs` and by the API. retry and cancel tell the job's state
-- after that, null when there is none, and why it is not the one that was wanted, if so.

-- name: retry
-- $1 id, $2 who retries
select state, case when state <> 'available'
                   then format('job %s is %s: only one that is dead or cancelled can be retried',
                               $1, state) end,
       case when state = 'available'
            then ops.audit($2, 'job-retry', jsonb_build_object('job', $1::bigint)) end
from ops.job_retry($1) state;

-- name: cancel
-- $1 id, $2 who cancels. One that is running ends as it ends, and is not tried again.
select state, case when state not in ('cancelled', 'running')
                   then format('job %s is %s: only one that is available or running can be '
                               'cancelled', $1, state) end,
       case when state in ('cancelled', 'running')
            then ops.audit($2, 'job-cancel', jsonb_build_object('job', $1::bigint)) end
from ops.job_cancel($1) state;

-- name: add
-- $1 queue, $2 kind, $3 payload, $4 bot or null, $5 who orders
select id, ops.audit($5, 'job-add', jsonb_build_object('job', id, 'queue', $1::text,
                                                       'kind', $2::text))
from ops.enqueue($1, $2, $3::jsonb, bot => $4) id;
