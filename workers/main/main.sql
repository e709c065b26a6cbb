-- What those share who tell Telegram where to send updates.

-- name: tokens
-- Tokens in the database win over the environment.
select key, value_encrypted from ops.bot_setting;

-- name: webhook
-- The row as the tunneler left it.
select type, url, pid, tunnel_start, tunnel_command from main.webhook;
