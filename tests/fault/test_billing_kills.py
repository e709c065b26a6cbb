"""Every billing worker, interrupted at every boundary with the outside (kill_at.c).

For n = 1, 2, ... the worker is struck at its n-th boundary, then run until it is done; then the
provider's ledger and the database must agree, and be what an undisturbed run would have left. The
loop ends with the run that got through; it is cut into parts, so that processes can share it.
"""
import itertools
import signal

import pytest

from harness import BUILD
from preload import kill_at
from scenes import SCENES
from town import AGAIN, DONE, strike

# Every boundary of the plain build, every second one under the sanitizers, which take their time.
STEP = 2 if BUILD.name.endswith("-san") else 1
# The more boundaries a worker has, the more parts.
PARTS = {"autopayments": 6, "expire_payments": 3, "matching_pending_payments": 3}
SWEEP = pytest.mark.parametrize("worker, part, parts", [
    pytest.param(worker, part, PARTS.get(worker, 2), id=f"{worker}-{part}")
    for worker in SCENES for part in range(PARTS.get(worker, 2))])


def codes_of_struck_runs(town, worker, part, parts, **strikes):
    codes = []
    for number in itertools.count(1 + part, parts * STEP):
        line, code = strike(town, worker, kill_at(number, **strikes))
        if line is None:
            assert code in (DONE, AGAIN)
            assert len(codes) > 2 / STEP, "the library does not see the worker's calls"
            return codes
        codes.append(code)


@pytest.mark.parametrize("worker", SCENES)
def test_undisturbed(town, worker):
    """The scene by itself, so that a strike is not blamed for what the scene lacks."""
    town.begin(worker)
    town.finish()
    town.check()


@SWEEP
def test_killed_before(town, worker, part, parts):
    assert set(codes_of_struck_runs(town, worker, part, parts)) == {-signal.SIGKILL}


# After the n-th call is before the next one, except that after send the other side is at work while
# nobody waits for it any more. So these leave out what comes before the first statement, where the
# worker has only prepared itself.
AFTER = {"when": "after", "KILL_FROM": "PQsendQueryPrepared"}


@SWEEP
def test_killed_after(town, worker, part, parts):
    codes = codes_of_struck_runs(town, worker, part, parts, **AFTER)
    assert set(codes) == {-signal.SIGKILL}


@SWEEP
def test_told_to_stop(town, worker, part, parts):
    codes = codes_of_struck_runs(town, worker, part, parts, what="stop", **AFTER)
    assert set(codes) <= {DONE, AGAIN}


@SWEEP
def test_session_ended(town, worker, part, parts):
    """A run never reconnects, for its lock is gone."""
    codes = codes_of_struck_runs(town, worker, part, parts, what="session", **AFTER)
    assert set(codes) <= {DONE, AGAIN} and AGAIN in codes
