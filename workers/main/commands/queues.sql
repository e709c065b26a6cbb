-- opsctl queues: how far behind each queue is.

-- name: queues
select queue, oldest_ms, rate, depth, delayed, running, failures, dead,
       depth_estimated, delayed_estimated, running_estimated, failures_estimated, dead_estimated
from ops.queue
order by queue;

-- name: queues_json
select jsonb_build_object('version', 1, 'queues',
                          coalesce(jsonb_agg(to_jsonb(line) order by line.queue), '[]'))
from ops.queue line;
