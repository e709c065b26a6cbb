-- name: seed
-- The demo model with its products; again, it is brought back to what is here. An id that was given
-- out stays.
with model as (
    insert into tgadmin.models as m (public_id, name, username, tier, preview_photos)
    values (substr(md5(random()::text || clock_timestamp()), 1, 24), 'Amanda Silva',
            'amanda_exclusive', 'gold', jsonb_build_array(
                'https://images.unsplash.com/photo-1524504388940-b1c1722653e1?w=800',
                'https://images.unsplash.com/photo-1494790108377-be9c29b29330?w=800',
                'https://images.unsplash.com/photo-1517841905240-472988babdf9?w=800',
                'https://images.unsplash.com/photo-1534528741775-53994a69daeb?w=800'))
    on conflict (username) do update
        set name = excluded.name, tier = excluded.tier, preview_photos = excluded.preview_photos,
            is_active = true
    returning id, public_id, name, username, tier, preview_photos
), product as (
    insert into tgadmin.products (model_id, name, type, price, currency, details)
    select model.id, p.name, p.type, p.price, 'BRL', p.details::jsonb
      from model, (values
          ('Pack Verão', 'content', 29.90, '{"photos": 15}'),
          ('Pack Fitness', 'ppv', 49.90, '{"photos": 20, "videos": 3}'),
          ('Assinatura VIP', 'subscription', 79.90, '{"days": 30}')
      ) as p (name, type, price, details)
    on conflict (model_id, name) do update
        set type = excluded.type, price = excluded.price, currency = excluded.currency,
            details = excluded.details
    returning 1
)
select name, username, public_id, (select count(*) from product), tier, preview_photos ->> 0
  from model;

-- name: group
-- The first group that may be posted to.
select telegram_id, name from tgadmin.groups where is_active and can_post order by id limit 1;

-- name: promote
-- $1 chat, $2 photo, $3 deep link, $4 model's name, $5 model's id
select ops.enqueue('messages', 'send-photo', jsonb_build_object(
           'chatId', $1::bigint, 'photo', $2::text,
           'caption', format('✨ <b>%s</b>

Fotos e vídeos exclusivos esperando por você.', ops.html($4)),
           'replyMarkup', jsonb_build_object('inline_keyboard', jsonb_build_array(
               jsonb_build_array(jsonb_build_object('text', '🔥 Quero Ver Mais',
                                                    'url', $3::text))))),
       bot => 'tgadmin', dedup_key => 'promo:' || $5::text);
