-- Runs are kept for 30 days, like jobs that ended dead; of each worker the newest good one for
-- ever: from there windows are counted back to what nobody has looked at yet.

-- Looks at the oldest rows only, by the order in which they came, so that it costs the same however
-- long the history is. What stays of them is one row of each worker.
create function ops.run_prune() returns void
language sql as $$
    with oldest as materialized (
        select id from ops.run order by id limit 10000
    )
    delete from ops.run old
     using oldest
     where old.id = oldest.id and old.started_at < now() - interval '30 days'
       and (old.exit_code is distinct from 0
            or exists (select from ops.run newer
                        where newer.app = old.app and newer.worker = old.worker
                          and newer.tick_at > old.tick_at and newer.exit_code = 0))
$$;
