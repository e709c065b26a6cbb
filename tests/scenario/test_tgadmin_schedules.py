"""The scheduled workers of document 003: warnings, expiry, campaigns, analytics."""
import pytest

NOW = "2026-03-10T12:00:00Z"


class Shop:
    def __init__(self, database, worker):
        self.database, self.worker = database, worker
        self.model = database.value(
            "insert into tgadmin.models (public_id, name, username)"
            " values ('507f1f77bcf86cd799439011', 'A & B', 'ab') returning id")
        self.product = database.value(
            "insert into tgadmin.products (model_id, name, type, price)"
            " values (%s, 'VIP <3', 'subscription', 10) returning id", self.model)

    def purchase(self, user, expires, **columns):
        row = {"telegram_user_id": user, "product_id": self.product, "amount": 10,
               "status": "paid", "access_expires_at": expires, **columns}
        return self.database.value(
            f"insert into tgadmin.purchases ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    def group(self, telegram_id, **columns):
        row = {"telegram_id": telegram_id, **columns}
        return self.database.value(
            f"insert into tgadmin.groups ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    def campaign(self, **columns):
        row = {"name": "c", "text": "<b>hi</b>", **columns}
        return self.database.value(
            f"insert into tgadmin.campaigns ({', '.join(row)})"
            f" values ({', '.join(['%s'] * len(row))}) returning id", *row.values())

    def run(self, name, *args, now=NOW, code=0, **settings):
        done = self.worker(f"tgadmin/{name}", "--now", now, *args, **settings)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def jobs(self, kind):
        return self.database.query("select * from ops.job where kind = %s order by id", kind)

    def told(self):
        return [job.payload["chatId"] for job in self.jobs("send-message")]


@pytest.fixture
def shop(database, worker):
    return Shop(database, worker)


# --- subscription_processor


WARNED = [
    ("2026-03-17T12:00:01Z", 0, 0),
    ("2026-03-17T12:00:00Z", 1, 0),
    ("2026-03-11T12:00:01Z", 1, 0),
    ("2026-03-11T12:00:00Z", 0, 1),
    ("2026-03-10T23:00:00Z", 0, 1),
    ("2026-03-10T12:00:00Z", 0, 0),
]


def test_which_warning_is_given(shop):
    for user, (expires, _, _) in enumerate(WARNED):
        shop.purchase(user, expires)
    for _ in range(2):
        shop.run("subscription_processor", "--what", "warnings")
    for user, (_, first, second) in enumerate(WARNED):
        [row] = shop.database.query("select * from tgadmin.purchases where telegram_user_id = %s",
                                    user)
        assert (row.notified_7d_at is not None, row.notified_1d_at is not None) == (first, second)
        assert shop.told().count(user) == first + second


def test_both_warnings_come_one_after_the_other(shop):
    shop.purchase(7, "2026-03-15T12:00:00Z")
    for day in range(10, 16):
        shop.run("subscription_processor", "--what=warnings", now=f"2026-03-{day}T09:00:00Z")
    texts = [job.payload["text"] for job in shop.jobs("send-message")]
    assert len(texts) == 2 and "VIP &lt;3" in texts[0] and "15/03/2026 09:00" in texts[1]


def test_warnings_go_in_batches_and_to_nobody_who_blocked_the_bot(shop):
    for user in range(1, 8):
        shop.purchase(user, "2026-03-12T00:00:00Z")
    shop.purchase(8, "2026-03-12T00:00:00Z", status="pending")
    shop.database.execute("insert into ops.recipient (bot, chat_id) values ('tgadmin', 3)")
    output = shop.run("subscription_processor", "--what", "warnings", SUBSCRIPTION_BATCH=2)
    assert sorted(shop.told()) == [1, 2, 4, 5, 6, 7] and "changed=6" in output


def test_a_purchase_that_somebody_holds_is_waited_for(shop, wait_until):
    """Tomorrow would be too late for the last warning."""
    shop.purchase(7, "2026-03-11T09:00:00Z")
    busy = shop.database.connect(autocommit=False)
    with busy.cursor() as cursor:
        cursor.execute("select from tgadmin.purchases for no key update")
    running = shop.worker.start("tgadmin/subscription_processor", "--now", NOW, "--what", "warnings")
    wait_until(lambda: running.process.poll() is not None or shop.database.query(
        "select 1 from pg_stat_activity where datname = current_database()"
        " and wait_event_type = 'Lock'"))
    busy.close()
    assert running.wait() == 0 and shop.told() == [7]


def test_what_is_over_is_ended_and_taken_back(shop):
    fresh, old = "2026-03-09T12:00:00Z", "2026-03-08T12:00:00Z"
    over = shop.purchase(7, "2026-03-10T12:00:00Z")
    later = shop.purchase(8, "2026-03-10T12:00:01Z")
    for message in range(1, 251):
        shop.database.execute("insert into tgadmin.sent_messages values (%s, 7, %s, %s)", over,
                              message, fresh)
    shop.database.execute("insert into tgadmin.sent_messages values (%s, 7, 900, %s)", over, old)
    shop.database.execute("insert into tgadmin.sent_messages values (%s, 8, 1, %s)", later, fresh)
    for _ in range(2):
        shop.run("subscription_processor", "--what", "expiry")
    chunks = [job.payload["messageIds"] for job in shop.jobs("delete-messages-bulk")]
    assert sorted(len(chunk) for chunk in chunks) == [50, 100, 100]
    assert sorted(sum(chunks, [])) == list(range(1, 251))
    assert shop.told() == [7]
    assert shop.database.value("select delete_error from tgadmin.sent_messages"
                               " where message_id = 900") == "older than 48 hours"
    assert dict(shop.database.query("select id, status from tgadmin.purchases")) == {
        over: "expired", later: "paid"}


def test_without_what_it_does_both(shop):
    shop.purchase(1, "2026-03-10T11:00:00Z")
    shop.purchase(2, "2026-03-11T11:00:00Z")
    shop.run("subscription_processor")
    assert sorted(shop.told()) == [1, 2]


def test_wrong_arguments_are_a_mistake(shop):
    for args in (["--what"], ["--what", "x"], ["warnings"], ["--what=x"]):
        assert "--what" in shop.run("subscription_processor", *args, code=2)


# --- campaign_check


TURNS = [
    ("scheduled", "2026-03-10T12:00:01Z", None, "scheduled"),
    ("scheduled", "2026-03-10T12:00:00Z", None, "active"),
    ("scheduled", None, None, "active"),
    ("scheduled", "2026-03-01T00:00:00Z", "2026-03-10T12:00:00Z", "completed"),
    ("active", "2026-03-01T00:00:00Z", "2026-03-10T12:00:00Z", "completed"),
    ("active", None, "2026-03-10T12:00:01Z", "active"),
    ("paused", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "paused"),
    ("completed", "2026-03-01T00:00:00Z", None, "completed"),
]


def test_campaigns_begin_and_end(shop):
    shop.group(-1001)
    ids = [shop.campaign(status=status, starts_at=starts, ends_at=ends)
           for status, starts, ends, _ in TURNS]
    shop.run("campaign_check")
    states = dict(shop.database.query("select id, status from tgadmin.campaigns"))
    posted = {job.payload["campaignId"] for job in shop.jobs("send-message")}
    for campaign, (*_, want) in zip(ids, TURNS):
        assert states[campaign] == want
        assert (campaign in posted) == (want == "active")
    acts = {details["campaign"]: (actor, action, details["name"])
            for actor, action, details in shop.database.audited()}
    assert acts == {campaign: ("tgadmin/campaign_check", action, "c") for campaign, action in zip(
        ids[1:6], ("campaign-active", "campaign-active", "campaign-completed",
                   "campaign-completed", "campaign-post"))}


def test_a_campaign_posts_at_its_pace_to_the_groups_that_may_be_posted_to(shop):
    good = shop.group(-1001)
    shop.group(-1002, is_active=False)
    shop.group(-1003, can_post=False)
    campaign = shop.campaign(every_minutes=30, ends_at="2026-03-11T00:00:00Z")
    for minute in ("00", "01", "29"):
        shop.run("campaign_check", now=f"2026-03-10T12:{minute}:00Z")
    [job] = shop.jobs("send-message")
    assert (job.queue, job.bot) == ("bot-tasks", "tgadmin")
    assert job.payload["chatId"] == -1001 and job.payload["campaignId"] == campaign
    assert job.payload["text"] == "<b>hi</b>" and "2026-03-11" in job.payload["not_after"]
    assert job.dedup_key == f"campaign:{campaign}:{good}"
    shop.run("campaign_check", now="2026-03-10T12:30:00Z")
    assert len(shop.jobs("send-message")) == 1, "the group's last post has not gone out yet"
    shop.database.execute("update ops.job set dedup_key = null")
    shop.run("campaign_check", now="2026-03-10T13:00:00Z")
    assert len(shop.jobs("send-message")) == 2


def test_a_pace_is_kept_whenever_within_its_minute_a_run_begins(shop):
    shop.group(-1001)
    shop.campaign(every_minutes=30)
    for time in ("12:00:01.7", "12:29:59", "12:30:00.9", "12:59:58", "13:00:00.2"):
        shop.run("campaign_check", now=f"2026-03-10T{time}Z")
        shop.database.execute("update ops.job set dedup_key = null")
    assert len(shop.jobs("send-message")) == 3


def test_a_campaign_without_a_pace_posts_once(shop):
    shop.group(-1001)
    shop.campaign()
    for now in (NOW, "2026-03-11T12:00:00Z"):
        shop.run("campaign_check", now=now)
        shop.database.execute("update ops.job set dedup_key = null")
    assert len(shop.jobs("send-message")) == 1


# --- analytics_aggregate


def test_hours_are_counted_and_counting_again_changes_nothing(shop):
    group = shop.group(-1001)
    for status, sent, deleted in (("sent", "10:10", None), ("sent", "10:50", None),
                                  ("deleted", "10:59", "11:01"), ("failed", "11:30", None),
                                  ("sent", "12:30", None)):
        shop.database.execute(
            "insert into tgadmin.post_history (group_id, status, sent_at, deleted_at)"
            " values (%s, %s, %s, %s)", group, status, f"2026-03-10T{sent}:00Z",
            deleted and f"2026-03-10T{deleted}:00Z")
    shop.run("analytics_aggregate")
    hours = ("select to_char(hour at time zone 'UTC', 'HH24') as hour, posts, deleted, failed"
             " from tgadmin.analytics_hourly order by 1")
    first = [tuple(row) for row in shop.database.query(hours)]
    assert first == [("10", 3, 0, 0), ("11", 0, 1, 1)]
    assert "changed=0" in shop.run("analytics_aggregate")
    assert [tuple(row) for row in shop.database.query(hours)] == first


def test_hours_in_which_nothing_ran_are_made_up_for(shop):
    group = shop.group(-1001)
    shop.run("analytics_aggregate")
    shop.database.execute("update ops.run set started_at = '2026-03-10T12:20:00Z'")
    for sent in ("10:30", "11:30", "12:40", "17:00"):
        shop.database.execute("insert into tgadmin.post_history (group_id, sent_at)"
                              " values (%s, %s)", group, f"2026-03-10T{sent}:00Z")
    shop.run("analytics_aggregate", now="2026-03-10T18:00:00Z")
    assert [row.h for row in shop.database.query(
        "select to_char(hour at time zone 'UTC', 'HH24') as h from tgadmin.analytics_hourly"
        " order by 1")] == [
            "11", "12", "17"]
