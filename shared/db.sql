-- What every connection of a worker is set to; db.c runs this once, unprepared.

-- name: session
-- A server notices a dead client by itself only when it next talks to it: without the check, the
-- long statement of a killed worker would keep its advisory lock, and so its tick, until it ends.
-- The tcp_ settings do the same for a client whose host vanished; a Unix socket ignores them.
-- Waiting for a lock ends sooner than the patience with a worker that was told to stop.
select set_config('statement_timeout', $1, false),
       set_config('lock_timeout', '20s', false),
       set_config('idle_in_transaction_session_timeout', $2, false),
       set_config('client_connection_check_interval', '1s', false),
       set_config('tcp_keepalives_idle', $3, false),
       set_config('tcp_keepalives_interval', $4, false),
       set_config('tcp_keepalives_count', $5, false),
       set_config('TimeZone', 'UTC', false),
       set_config('DateStyle', 'ISO', false);
