-- Document 003's purchases, from paid to delivered. Who takes the money is not this software's
-- business: it is told that a purchase is paid (opsctl purchase_paid, POST /api/purchases/ID/paid).

-- In a product's details, content is the list of what a buyer gets, each {"text"} or {"photo",
-- "caption"?}; days is how long he may keep it, for ever without. Each part is a bot-task of the
-- buyer's lane, so they go in order and the last one completes the purchase.
create function tgadmin.deliver(purchase bigint) returns bigint
language sql as $$
    select count(ops.enqueue(
               'bot-tasks', case when part ? 'photo' then 'send-photo' else 'send-message' end,
               jsonb_strip_nulls(part || jsonb_build_object(
                   'chatId', p.telegram_user_id, 'purchaseId', p.id, 'bypassRateLimit', true,
                   'completes', place = jsonb_array_length(product.details -> 'content'),
                   'not_after', p.access_expires_at)),
               bot => 'tgadmin'))
      from tgadmin.purchases p
      join tgadmin.products product on product.id = p.product_id,
           lateral jsonb_array_elements(product.details -> 'content')
               with ordinality as content (part, place)
     where p.id = purchase
$$;

-- A purchase is paid: access from now, or from the end of the buyer's access to the same product,
-- whose messages it takes over, so that they stay until the new end. Returns its status after that:
-- what is paid already stays as it is, null is none of that number.
create function tgadmin.purchase_paid(purchase bigint, now timestamptz, actor text) returns text
language plpgsql as $$
declare
    bought tgadmin.purchases;
    product tgadmin.products;
    former bigint[];
    begins timestamptz;
    done   bigint;
begin
    -- All of one buyer and product, in one order, so that two of them follow one another.
    perform 1 from tgadmin.purchases p
       join tgadmin.purchases this on this.id = purchase
        and p.telegram_user_id = this.telegram_user_id and p.product_id = this.product_id
      order by p.id
        for no key update of p;
    select * into bought from tgadmin.purchases p where p.id = purchase;
    if not found or bought.status <> 'pending' then
        return bought.status;
    end if;
    select * into product from tgadmin.products p where p.id = bought.product_id;
    select coalesce(array_agg(p.id), '{}'), coalesce(max(p.access_expires_at), now)
      into former, begins
      from tgadmin.purchases p
     where p.telegram_user_id = bought.telegram_user_id and p.product_id = bought.product_id
       and p.status in ('paid', 'completed') and p.access_expires_at > now;
    update tgadmin.sent_messages m set purchase_id = purchase where m.purchase_id = any(former);
    update tgadmin.purchases p set status = 'expired' where p.id = any(former);
    update tgadmin.purchases p
       set status = case when jsonb_array_length(coalesce(product.details -> 'content', '[]')) > 0
                         then 'paid' else 'completed' end,
           access_expires_at = begins + make_interval(days => (product.details ->> 'days')::int)
     where p.id = purchase
    returning p.* into bought;
    done := ops.tell('tgadmin', bought.telegram_user_id, format(
        '✅ Pagamento do pedido %s confirmado: <b>%s</b>.', purchase, ops.html(product.name)));
    done := tgadmin.deliver(purchase);
    done := ops.audit(actor, 'purchase-paid', jsonb_build_object(
        'purchase', purchase, 'user', bought.telegram_user_id, 'product', product.name,
        'expires', bought.access_expires_at));
    return bought.status;
end
$$;
