-- The audit log (document 003): whoever acts calls this in the statement that acts, so that there
-- is a row for each act and none for an act that was rolled back. tgadmin/audit_log writes them.

-- actor is APP/WORKER, "api" (whoever has the gateway's token), or "opsctl " and a person's login.
-- Like ops.enqueue it stands only where its result is read.
create function ops.audit(actor text, action text, details jsonb default '{}') returns bigint
language sql as $$
    select ops.enqueue('audit-log', 'audit-log',
                       jsonb_build_object('actor', audit.actor, 'action', audit.action,
                                          'details', jsonb_strip_nulls(audit.details)))
$$;
