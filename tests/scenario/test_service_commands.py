"""create_s3_bucket, test_connections, seed_demo_model: what they change, say and return."""
import pytest

from harness import BUILD
from sender_world import world  # noqa: F401

LIBEXEC = BUILD / "libexec"


@pytest.fixture
def bucket(world):
    def run(*args, **settings):
        done = world.worker(LIBEXEC / "create_s3_bucket", *args,
                            **{**world.sandbox.store_environment(), **settings})
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_bucket_is_made_once(bucket):
    assert bucket() == (0, "bucket demo created\n")
    assert bucket() == (0, "bucket demo is there already\n")


def test_a_bucket_of_somebody_else_is_a_failure(world, bucket):
    world.sandbox.control("POST", "s3/buckets", {"demo": "other"})
    code, said = bucket()
    assert code == 1 and "belongs to another account" in said


def test_what_is_wrong_is_said(world, bucket):
    code, said = bucket(S3_SECRET_KEY="wrong")
    assert code == 1 and "SignatureDoesNotMatch" in said and "wrong" not in said.replace(
        "SignatureDoesNotMatch", "")
    code, said = bucket(S3_BUCKET="No_Good")
    assert code == 78 and "S3_BUCKET" in said
    code, said = bucket(S3_REGION="eu-west-1")
    assert code == 1 and "AuthorizationHeaderMalformed" in said
    code, said = bucket(S3_ENDPOINT="http://127.0.0.1:1")
    assert code == 1 and "S3_ENDPOINT" in said


def test_each_connection_is_one_line(world):
    settings = {**world.settings(), **world.sandbox.store_environment()}
    done = world.worker(LIBEXEC / "test_connections", **settings)
    lines = [line.split()[:2] for line in done.stdout.splitlines()]
    assert lines == [["ok", "database"], ["ok", "S3"], ["ok", "Telegram"], ["ok", "YooKassa"],
                     ["ok", "TronGrid"], ["ok", "Vendista"], ["-", "SMTP"]], done.stdout + done.stderr
    assert done.returncode == 0


def test_one_that_fails_is_named_and_the_others_are_tried(world):
    settings = {**world.settings(), **world.sandbox.store_environment(),
                "S3_SECRET_KEY": "wrong", "SMTP_URL": "smtp://127.0.0.1:1",
                "TELEGRAM_BOT_TOKEN": "nonsense"}
    done = world.worker(LIBEXEC / "test_connections", **settings)
    words = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert done.returncode == 1
    assert words["S3"].startswith("FAIL") and "403" in words["S3"]
    assert words["Telegram"].startswith("FAIL") and "404" in words["Telegram"]
    assert words["SMTP"].startswith("FAIL") and words["YooKassa"].startswith("ok")


def test_the_demo_model_is_made_once_and_promoted(world):
    def seed(*args):
        done = world.worker(LIBEXEC / "seed_demo_model", *args, **world.settings())
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = seed()
    [model] = world.database.query("select * from tgadmin.models")
    assert "✅ Demo model ready!" in said and "Products: 3" in said and model.public_id in said
    assert len(model.preview_photos) == 4 and model.tier == "gold"
    assert "No active group" in seed("--promo")
    world.database.execute("insert into tgadmin.groups (telegram_id, name) values (-1005, 'Ours')")
    link = f"https://t.me/sandbox_100_bot?start=model_{model.public_id}"
    for _ in range(2):
        said = seed("--promo")
        assert "Ours" in said and link in said
    [job] = world.database.query("select * from ops.job")
    assert job.kind == "send-photo" and link in str(job.payload)
    world.start()
    world.wait(job.id)
    assert world.sandbox.messages(-1005)[0]["params"]["reply_markup"]
    assert world.database.query("select * from tgadmin.models") == [model]
    assert world.database.value("select count(*) from tgadmin.products") == 3
