-- The queue's tables keep their pages. When a great backlog is gone, vacuum would give the pages at
-- their ends back, and whoever enqueues waits for that: it locks the table, again and again for up
-- to 20 ms each. What is kept is as much as the greatest backlog took; the next one fills it.

alter table ops.job_open set (vacuum_truncate = off);
alter table ops.lane_arrival set (vacuum_truncate = off);
alter table ops.lane set (vacuum_truncate = off);
