-- A bot that must be left alone is not one whose next request has a turn of its own: jobs whose
-- starts are free wait for the end of the pause, but not for the pace.

alter table ops.rate add column paused_until timestamptz not null default '-infinity';
