-- What the workers of billing share. Statements that settle payments return the same columns:
-- provider's id, outcome, subscription, jobs enqueued.

-- name: settle
-- $1 the provider's payment, $2 the autopayment whose request it answers or null, $3 now, $4 zone,
-- $5 administrators' chat or ''
select $1::jsonb ->> 'id', outcome, subscription, jobs
  from billing.settle($1::jsonb, $2, $3, $4, $5);

-- name: window_start
-- $1 worker, $2 now, $3 window in milliseconds. A window that is counted from the last good run has
-- no gap, however long nothing ran; one that seems to be yet to come was good by a clock which has
-- been set back since.
select billing.rfc3339(date_trunc('second', coalesce(max(started_at), $2::timestamptz))
                       - make_interval(secs => $3::float8 / 1000))
  from ops.run
 where app = 'billing' and worker = $1 and exit_code = 0 and started_at <= $2;

-- name: alert
-- $1 name of the trouble, $2 administrators' chat or '', $3 whether mail goes out, $4 text
select ops.alert($1, $2, $3::boolean, $4);
