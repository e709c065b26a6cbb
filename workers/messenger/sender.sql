-- name: mail_too
-- $1 job, $2 text. An alert goes out by mail, too, in the transaction that ends its message.
select ops.enqueue('messages', 'send-email',
                   jsonb_build_object('subject', 'alert', 'text', $2::text),
                   dedup_key => 'mail:' || $1::text);
