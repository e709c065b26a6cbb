-- What was applied. main/migrate runs this file before every run, because it reads the table.
create schema if not exists ops;

create table if not exists ops.schema_migration (
    number     int primary key,
    name       text not null,
    checksum   text not null,
    applied_at timestamptz not null default clock_timestamp()
);
