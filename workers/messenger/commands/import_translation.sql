-- name: import
-- $1 set, $2 [[id as text, text, translation], ...]. Returns the ids that the set has.
update messenger.translation t
   set from_text = messenger.text_key(row ->> 1), to_text = row ->> 2
  from jsonb_array_elements($2::jsonb) as row
 where t.name = $1 and t.id = (row ->> 0)::bigint
returning t.id;
