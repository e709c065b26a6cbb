-- name: touch
-- $1 number
insert into probe (n) values ($1::int);

-- name: wait_in_server
select pg_sleep(600);

-- name: lose_connection
select pg_terminate_backend(pg_backend_pid());

-- name: session
select current_setting('application_name'), current_setting('TimeZone'), pg_backend_pid();
