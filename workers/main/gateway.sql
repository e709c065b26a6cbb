-- gateway: updates in, and what its API tells.

-- name: take
-- arrays that go together: $1 bots, $2 ids of updates, $3 updates
select main.take_updates($1::text[], $2::bigint[], $3::jsonb[]);

-- name: limit
-- For the rest of the transaction.
-- $1 milliseconds
select set_config('statement_timeout', $1, true);

-- name: prune
-- Two days are twice as long as Telegram repeats an update. What a job may still have to read
-- stays: open ones, and dead ones that a person may put back.
-- $1 how many at most
with old as materialized (
    select bot, update_id
    from main.telegram_update u
    where received_at < now() - interval '2 days'
      and not exists (
          select from ops.job j
          where j.queue = 'updates' and j.state in ('available', 'running', 'dead')
            and j.bot = u.bot and j.payload = jsonb_build_object('updateId', u.update_id))
    order by received_at
    limit $1::int
)
delete from main.telegram_update u using old
where u.bot = old.bot and u.update_id = old.update_id;

-- name: queues
select jsonb_build_object('queues', coalesce(jsonb_agg(to_jsonb(line) order by line.queue), '[]'))
from ops.queue line;

-- name: restarts
-- $1 worker
select ops.audit('api', 'worker-restart', jsonb_build_object('worker', $1::text));

-- name: purchase_paid
-- $1 purchase
select state, tgadmin.payment_refusal($1, state)
from tgadmin.purchase_paid($1::bigint, now(), 'api') state;

-- name: tasks
-- $1 user
select jsonb_build_object('tasks', coalesce(jsonb_agg(task order by created_at, id), '[]'))
from (select id, user_id, terminal_id, task_type, status, details, created_at, completed_at
      from coffee.active_tasks($1::bigint, now())) task;

-- name: reset_payment_status
-- $1 user
select jsonb_build_object('success', true, 'user', to_jsonb(u)),
       ops.audit('api', 'reset-payment-status', jsonb_build_object('user', u.id))
from coffee.reset_payment_status($1::bigint) u;

-- name: metrics
-- Queues, and of each worker the last run that ended and the last that was good. The workers are
-- found by jumping along the index (app, worker, tick_at), which costs the same however long the
-- history is.
with recursive worker as (
    (select app, worker from ops.run order by app, worker limit 1)
    union all
    select next.app, next.worker
    from worker, lateral (
        select app, worker from ops.run
        where (app, worker) > (worker.app, worker.worker)
        order by app, worker limit 1) next
), last as (
    select w.app, w.worker, run.exit_code, extract(epoch from run.finished_at) as finished,
           extract(epoch from run.finished_at - run.started_at) as seconds, good.at as good
    from worker w
    cross join lateral (
        select r.exit_code, r.started_at, r.finished_at from ops.run r
        where r.app = w.app and r.worker = w.worker and r.finished_at is not null
        order by r.tick_at desc limit 1) run
    left join lateral (
        select extract(epoch from g.finished_at) as at from ops.run g
        where g.app = w.app and g.worker = w.worker and g.exit_code = 0
        order by g.tick_at desc limit 1) good on true
)
select jsonb_build_object(
    'queues', (select coalesce(jsonb_agg(to_jsonb(q) order by q.queue), '[]') from ops.queue q),
    'runs', (select coalesce(jsonb_agg(to_jsonb(last)), '[]') from last));
