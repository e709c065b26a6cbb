-- Whether a link of this payment may still be made: while its access goes on; and, however late, as
-- long as the customer has got nothing for it, since his time begins with the first link.
create function accesser.may_enter(payment accesser.redemption, at timestamptz) returns boolean
language sql stable as $$
    select (a.active and not accesser.is_over(a, at))
           or (a.start_date = payment.granted_at
               and not exists (select from accesser.invite_link l
                                where l.invoice_id = payment.invoice_id
                                  and l.sent_at is not null))
      from accesser.access a
     where a.id = payment.access_id
$$;

-- What was owed when an access ended, and would let its customer in for good.
delete from accesser.link_due d
 using accesser.redemption r
 where r.invoice_id = d.invoice_id and not accesser.may_enter(r, now());
