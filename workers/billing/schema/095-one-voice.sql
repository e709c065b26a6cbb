-- What billing says is said as everywhere: to people by ops.tell, to administrators by ops.alert,
-- and of names what ops.html makes of them. Only the bot is billing's own.

create or replace function billing.html(text text) returns text
language sql immutable parallel safe as $$
    select ops.html(text)
$$;

create or replace function billing.tell(user_id bigint, text text) returns int
language sql as $$
    select ops.tell('billing', user_id, text)
$$;

-- Of a payment: each is told of, and once.
create or replace function billing.tell_admin(admin_chat text, text text) returns int
language sql as $$
    select ops.tell('billing', nullif(admin_chat, '')::bigint, text)
$$;

insert into ops.alert (name, raised_at)
select 'yookassa-' || replace(name, ' ', '-'), raised_at from billing.alert
on conflict do nothing;
drop table billing.alert;
