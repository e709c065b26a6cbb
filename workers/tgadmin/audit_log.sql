-- name: record
-- $1 job, $2 actor, $3 action, $4 details. A job that is done twice is one row. The act was done
-- when its job was made, in the same transaction.
insert into tgadmin.audit_log (job_id, at, actor, action, details)
select id, created_at, $2, $3, $4::jsonb from ops.job where id = $1::bigint
on conflict (job_id) do nothing;
