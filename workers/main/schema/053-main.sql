-- How updates reach us, and those that did.
create schema main;

create table main.webhook (
    id         int primary key default 1 check (id = 1),
    type       text not null check (type in ('HOST', 'SERVEO')),
    url        text,
    pid        int,  -- of the tunnel, when there is one
    -- A pid alone may be somebody else's by now: boot and start time, and the command.
    tunnel_start   text,
    tunnel_command text,
    checked_at timestamptz,
    healthy    boolean not null default false,
    last_error text
);

-- Updates as they came, each once. Telegram repeats one until it is answered, for a day at most.
create table main.telegram_update (
    bot         text not null,
    update_id   bigint not null,
    payload     jsonb not null,
    received_at timestamptz not null default now(),
    answered_at timestamptz,  -- when messenger/bot replied to it, which it does once
    primary key (bot, update_id)
);
create index telegram_update_received on main.telegram_update (received_at);

-- Stores what came in and hands what is new to the queue `updates` (messenger/bot), in the order of
-- each chat. Returns how many were new. The arrays go together; payloads are update objects.
create function main.take_updates(bots text[], update_ids bigint[], payloads jsonb[]) returns int
language sql as $$
    with new as (
        insert into main.telegram_update (bot, update_id, payload)
        select bot, update_id, payload
          from unnest(bots, update_ids, payloads) as u (bot, update_id, payload)
         order by bot, update_id
        on conflict on constraint telegram_update_pkey do nothing
        returning bot, update_id, payload
    ), of_bot as (
        select bot, array_agg(jsonb_build_object('updateId', update_id) order by update_id) as jobs,
               array_agg(bot || ':' || coalesce(
                             payload #>> '{message,chat,id}',
                             payload #>> '{callback_query,message,chat,id}',
                             payload #>> '{callback_query,from,id}',
                             payload #>> '{my_chat_member,chat,id}', '')
                         order by update_id) as chats
          from new
         group by bot
    )
    select coalesce(sum(ops.enqueue_all('updates', 'telegram-update', jobs,
                                        bot => bot, group_keys => chats)), 0)::int
      from of_bot
$$;
