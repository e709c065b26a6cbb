-- Why a purchase is not paid though somebody said so: state is what tgadmin.purchase_paid returned.
-- Null: it is paid. One judgement for the command and the API.
create function tgadmin.payment_refusal(purchase bigint, state text) returns text
language sql immutable as $$
    select case when state is null then format('no purchase %s', purchase)
                when state not in ('paid', 'completed')
                then format('purchase %s is %s: only one that is pending can be paid',
                            purchase, state) end
$$;
