-- name: record
-- $1 job, $2 actor, $3 action, $4 details. A job that is done twice is one row.
insert into tgadmin.audit_log (job_id, actor, action, details)
values ($1::bigint, $2, $3, $4::jsonb)
on conflict (job_id) do nothing;
