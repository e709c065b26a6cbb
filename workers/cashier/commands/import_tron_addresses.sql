-- name: store
-- $1 addresses, $2 their encrypted keys, in the same order, as JSON arrays of texts. All or none;
-- one that is there already keeps the key that it has.
insert into cashier.tron_address (address, private_key_encrypted)
select a.address, k.encrypted
  from jsonb_array_elements_text($1::jsonb) with ordinality as a (address, n)
  join jsonb_array_elements_text($2::jsonb) with ordinality as k (encrypted, n) on k.n = a.n
on conflict (address) do nothing;
