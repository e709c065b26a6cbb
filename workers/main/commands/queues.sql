-- opsctl queues: how far behind each queue is.

-- name: queues
select queue, depth, delayed, running, oldest_ms, rate, failures, dead
from ops.queue
order by queue;

-- name: queues_json
select jsonb_build_object('version', 1, 'queues',
                          coalesce(jsonb_agg(to_jsonb(line) order by line.queue), '[]'))
from ops.queue line;
