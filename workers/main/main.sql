-- What those share who tell Telegram where to send updates.

-- name: webhook
-- The row as the tunneler left it.
select type, url, pid, tunnel_start, tunnel_command from main.webhook;
