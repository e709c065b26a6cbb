"""Services as they are outside: behind a name, TLS and HTTP/2; and what an outage of them costs."""
import pytest

from billing_world import AGAIN
from billing_world import world as billing  # noqa: F401
from coffee_world import sale
from coffee_world import world as coffee  # noqa: F401
from front import Front
from harness import wait_until
from sender_world import world  # noqa: F401

PAUSE = "a bot pauses"


@pytest.fixture
def front(sandbox_process, tmp_path):  # noqa: F811
    made = Front(tmp_path, sandbox_process.url)
    yield made
    made.close()


def sender(world, front):  # noqa: F811
    return world.start(**{**front.environment(), "TELEGRAM_API_URL": front.url})


def test_messages_share_a_connection_of_http2(world, front):
    """So slow that many are on their way at a time."""
    world.sandbox.fault("stall", seconds=0.2, times=None, path="/bot*")
    jobs = [world.send(chat, f"to {chat}") for chat in range(1, 61)]
    sender(world, front)
    for job in jobs:
        assert world.wait(job).attempt == 1
    assert sorted(world.texts()) == sorted(f"to {chat}" for chat in range(1, 61))
    requests = front.requests()
    assert {request.split()[0] for request in requests} == {"HTTP/2.0"}
    assert len({request.split()[1] for request in requests}) <= 2


@pytest.mark.parametrize("what", ["name", "connection"])
def test_an_outage_costs_no_message_and_no_attempt(world, front, what):
    there = {"name": front.name, "connection": lambda up: front.start() if up else front.stop()}
    there[what](False)
    jobs = [world.send(chat, f"to {chat}", max_attempts=1) for chat in range(1, 21)]
    running = sender(world, front)
    running.wait_line(PAUSE)
    running.wait_line(PAUSE)
    assert world.count("dead") == world.count("done") == 0
    there[what](True)
    for job in jobs:
        assert world.wait(job, seconds=40).attempt == 1
    assert sorted(world.texts()) == sorted(f"to {chat}" for chat in range(1, 21))


def test_a_service_that_answers_nobody_sensibly_is_left_alone(world, front):
    """Each pause costs some their second attempt; without one, all would have used their three."""
    world.sandbox.stop()
    try:
        jobs = [world.send(chat) for chat in range(1, 61)]
        running = sender(world, front)
        running.wait_line(PAUSE)
        running.wait_line(PAUSE)
    finally:
        world.sandbox.start()
    for job in jobs:
        world.wait(job, seconds=40)
    assert len(world.texts()) == len(jobs)


def test_a_worker_whose_service_has_no_name_for_a_while_works_on_when_it_has(coffee, front):
    coffee.owner()
    coffee.sell(sale(1))
    settings = {**front.environment(), "VENDISTA_URL": f"{front.url}/vendista"}
    front.name(False)
    coffee.run("schedule_imports", "--what", "last24h")
    running = coffee.start(**settings)
    wait_until(lambda: coffee.database.value(
        "select count(*) from ops.job where queue = 'import' and last_error is not null") == 1)
    front.name(True)
    wait_until(lambda: coffee.database.value("select count(*) from coffee.transactions") == 1)
    assert running.process.poll() is None


def test_a_run_without_a_name_to_ask_is_tried_again(billing, front):
    front.name(False)
    done = billing.run("matching_pending_payments", code=AGAIN, YOOKASSA_URL=f"{front.url}/v3",
                       **front.environment())
    assert "resolve" in done
