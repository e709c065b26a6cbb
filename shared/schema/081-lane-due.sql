-- When the first lane of each bot is due: how long a server may sleep is that, or the bot's turn,
-- whichever is later. Over all bots together the lanes of one that pauses would stand in front.

drop index ops.lane_wake;
create index lane_wake on ops.lane (queue, bot, due_at)
    where locked_by is null and wake_at < 'infinity';
