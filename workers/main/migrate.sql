-- What was applied. The table ops.schema_migration is made by shared/schema/000-migrations.sql.

-- name: try_lock
-- The only statement that needs no table, and so the first. Nothing else locks these two numbers.
select pg_try_advisory_lock(20261121, 1);

-- name: checksum
-- $1 text of a migration
select encode(sha256(convert_to($1, 'UTF8')), 'hex');

-- name: applied
select number, name, checksum from ops.schema_migration order by number;

-- name: record
-- $1 number, $2 file, $3 checksum
insert into ops.schema_migration (number, name, checksum) values ($1::int, $2, $3);
