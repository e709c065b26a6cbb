-- name: check
-- $1 now. Begins and ends campaigns, and posts what is due: one job for each group. A group that
-- still has the campaign's last post to come (it is cooling down) gets no second one, and what is
-- not posted when the campaign ends is cancelled. The pace is in whole minutes, as the runs are:
-- where within its minute one of them began would else put the next post off by a minute.
with open as materialized (
    select id, status as old_status, text, ends_at,
           case when ends_at <= $1::timestamptz then 'completed'
                when status = 'scheduled' and starts_at > $1 then 'scheduled'
                else 'active' end as new_status,
           text <> '' and (last_posted_at is null
                           or date_trunc('minute', last_posted_at)
                              + make_interval(mins => every_minutes) <= $1) as is_due
      from tgadmin.campaigns
     where status in ('scheduled', 'active')
       for no key update skip locked
), changed as (
    update tgadmin.campaigns c
       set status = new_status,
           last_posted_at = case when new_status = 'active' and is_due then $1
                                 else last_posted_at end
      from open
     where c.id = open.id and (new_status <> old_status or (new_status = 'active' and is_due))
    returning c.id, c.name, c.text, c.ends_at, old_status, new_status, is_due
), posted as (
    select count(ops.enqueue('bot-tasks', 'send-message',
               jsonb_strip_nulls(jsonb_build_object(
                   'chatId', g.telegram_id, 'text', c.text, 'campaignId', c.id,
                   'not_after', c.ends_at)),
               bot => 'tgadmin', dedup_key => format('campaign:%s:%s', c.id, g.id))) as jobs
      from changed c cross join tgadmin.groups g
     where c.new_status = 'active' and c.is_due and g.is_active and g.can_post
)
select (select count(*) from open), count(*) filter (where new_status <> old_status),
       count(*) filter (where new_status = 'active' and is_due), (select jobs from posted),
       count(ops.audit('tgadmin/campaign_check',
                       case when new_status <> old_status then 'campaign-' || new_status
                            else 'campaign-post' end,
                       jsonb_build_object('campaign', id, 'name', name)))
  from changed;
