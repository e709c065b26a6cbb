-- Every process that serves a queue prunes: one at a time, so that no two wait for one another.

create or replace function ops.run_prune() returns void
language plpgsql as $$
begin
    if not pg_try_advisory_xact_lock(hashtextextended('ops.run_prune', 0)) then
        return;
    end if;
    with oldest as materialized (
        select id from ops.run order by id limit 10000
    )
    delete from ops.run old
     using oldest
     where old.id = oldest.id and old.started_at < now() - interval '30 days'
       and (old.exit_code is distinct from 0
            or exists (select from ops.run newer
                        where newer.app = old.app and newer.worker = old.worker
                          and newer.tick_at > old.tick_at and newer.exit_code = 0));
end
$$;
