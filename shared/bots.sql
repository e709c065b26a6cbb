-- name: tokens
-- Tokens in the database win over the environment.
select key, value_encrypted from ops.bot_setting;
