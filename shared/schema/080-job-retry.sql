-- A job that was cancelled before anybody served its queue has its arrival still: that is no reason
-- not to put it back.

-- Puts a dead or cancelled job back, with all its attempts before it. Returns its state after that,
-- or null when there is no such job; one that is open or done stays as it is.
create or replace function ops.job_retry(job_id bigint) returns text
language plpgsql as $$
declare
    job ops.job;
begin
    delete from ops.job
    where id = job_retry.job_id and state in ('dead', 'cancelled')
    returning * into job;
    if not found then
        return (select state from ops.job where id = job_retry.job_id);
    end if;
    insert into ops.job_open (id, queue, kind, payload, bot, group_key, priority, dedup_key,
                              max_attempts, last_error, errors, created_at)
    values (job.id, job.queue, job.kind, job.payload, job.bot, job.group_key, job.priority,
            job.dedup_key, job.max_attempts, job.last_error, job.errors, job.created_at);
    if job.group_key is not null then
        insert into ops.lane_arrival
        values (job.queue, job.id, job.group_key, coalesce(job.bot, ''), job.priority, now())
        on conflict on constraint lane_arrival_pkey do nothing;
    end if;
    perform pg_notify('ops_job', job.queue);
    return 'available';
end
$$;
