-- name: schedule
-- $1 what to import. Owners whom Vendista refuses are asked about once a day, by the daily import.
-- The key keeps an import that is waiting or running from being queued a second time.
with job as (
    select ops.enqueue('import', 'import',
                       jsonb_build_object('user_id', id, 'what', $1::text, 'historical', false),
                       group_key => 'user:' || id, dedup_key => id || ':' || $1) as id
      from coffee.users
     where active and vendista_payment_status = 'active'
       and (token_status <> 'invalid_creds' or $1 = 'daily')
       and (vendista_token_encrypted is not null
            or (vendista_login_encrypted is not null and vendista_password_encrypted is not null))
     order by coffee.users.id
)
select count(*), count(distinct id) from job;

-- name: schedule_history
-- $1 user, $2 since or null: his set-up day
with job as (
    select ops.enqueue('import', 'import',
                       jsonb_build_object('user_id', id, 'what', 'history', 'historical', true,
                                          'since', coalesce($2::date, setup_date)),
                       group_key => 'user:' || id, dedup_key => id || ':history') as id
      from coffee.users
     where active and vendista_payment_status = 'active' and id = $1
       and coalesce($2::date, setup_date) is not null
)
select count(*), count(distinct id) from job;

-- name: owner
-- $1 user. Why he cannot be imported, for the person who asked for it.
select active, vendista_payment_status, setup_date from coffee.users where id = $1;
