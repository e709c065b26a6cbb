"""Conformance, S34-S36: what is kept on disk."""
import os
import random
import resource

import pytest

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import sh


def online(home, *names):
    return {name: home.wait_state(name, "online")["pid"] for name in names}


def three(home):
    home.apps(*(sh("exec sleep 1000", name) for name in ("a", "b", "c")))
    home.start()
    online(home, "a", "b", "c")
    assert home.opsctl("stop", "b").returncode == 0


def test_s34_resurrect_brings_back_what_was_saved(home):
    three(home)
    assert home.opsctl("save").returncode == 0
    assert home.opsctl("kill").returncode == 0
    assert home.process.wait(20) == 0 and not home.processes()
    assert home.opsctl("resurrect").returncode == 0
    pids = online(home, "a", "c")
    assert home.state("b") == "stopped"
    assert home.processes() == sorted(pids.values())


def test_a_worker_that_is_new_at_a_start_gets_an_id_of_its_own(home):
    """Wherever it stands in the manifest: the others keep theirs."""
    three(home)
    known = {row["name"]: row["id"] for row in home.rows()}
    assert sorted(known.values()) == [0, 1, 2]
    assert home.opsctl("kill").returncode == 0
    assert home.process.wait(20) == 0
    home.apps(*(sh("exec sleep 1000", name) for name in ("new", "a", "newer", "b", "c")))
    home.start()
    online(home, "new", "a", "newer", "c")
    assert {row["name"]: row["id"] for row in home.rows()} == {**known, "new": 3, "newer": 4}


def test_s34_what_was_stopped_stays_stopped_when_everything_died(home):
    """As after a power failure: nothing of it runs, and only the home is left."""
    three(home)
    dead = home.own() + home.processes()
    home.kill("both")
    for pid in dead:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass
    wait_until(lambda: not any(map(is_alive, dead)))
    home.recover()
    pids = online(home, "a", "c")
    row = home.row("b")
    assert (row["state"], row["wanted"]) == ("stopped", "down")
    assert home.processes() == sorted(pids.values())


def journal(home):
    path = home.home / "journal"
    assert path.exists(), sorted(os.listdir(home.home))
    return path


@pytest.mark.parametrize("spoil", ["cut", "noise", "zeros"])
def test_s35_a_journal_with_a_broken_end_is_read_up_to_it(home, spoil):
    three(home)
    pids = online(home, "a", "c")
    home.kill("both")
    with open(journal(home), "ab") as file:
        if spoil == "cut":
            file.truncate(file.tell() - random.randrange(1, 20))
        else:
            file.write({"noise": os.urandom(300), "zeros": bytes(4096)}[spoil])
    home.recover()
    assert online(home, "a", "c") == pids and home.processes() == sorted(pids.values())
    assert {r["name"] for r in home.rows()} == {"a", "b", "c"}
    # what the cut line said may be lost, but then the one before it counts
    assert home.state("b") in (("stopped", "online") if spoil == "cut" else ("stopped",))
    assert home.opsctl("stop", "all").returncode == 0
    assert not home.processes()


@pytest.mark.parametrize("spoil", ["empty", "missing"])
def test_s35_without_a_journal_there_is_still_one_of_each(home, spoil):
    three(home)
    before = online(home, "a", "c")
    home.kill("both")
    if spoil == "empty":
        os.truncate(journal(home), 0)
    else:
        journal(home).unlink()
    home.recover()
    wait_until(lambda: all(home.row(name)["state"] == "online" for name in ("a", "c")))
    assert {r["name"] for r in home.rows()} == {"a", "b", "c"}
    # that b was stopped by hand nobody can know any more, so it may be on its way up
    wait_until(lambda: home.processes() == sorted(r["pid"] for r in home.rows() if r["pid"]), 10,
               "no copy runs that nobody knows of")
    assert home.opsctl("stop", "all").returncode == 0
    assert not home.processes() and not any(map(is_alive, before.values()))


def test_s35_a_full_disk_loses_nothing_that_was_known(home):
    three(home)
    pids = online(home, "a", "c")
    supervisor, size = home.pid, journal(home).stat().st_size
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    got = home.opsctl("restart", "c")
    if got.returncode:
        assert "File too large" in got.stderr or "No space" in got.stderr, got.stderr
    assert home.pid == supervisor and home.row("a")["pid"] == pids["a"]
    assert len(home.processes()) <= 2
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    assert home.opsctl("start", "c").returncode == 0
    pids["c"] = online(home, "c")["c"]
    home.kill("both")
    home.recover()
    assert online(home, "a", "c") == pids and home.state("b") == "stopped"
    assert home.processes() == sorted(pids.values())


def test_s35_a_disk_that_is_full_as_it_dies(home):
    """The last copy on disk is older than what happened since; nothing is doubled by that."""
    three(home)
    home.opsctl("start", "b")
    online(home, "b")
    size = journal(home).stat().st_size
    resource.prlimit(home.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    for word in ("restart", "stop", "start"):
        home.opsctl(word, "all")
    assert home.opsctl("ping").returncode == 0
    home.kill("both")
    home.recover()
    wait_until(lambda: all(r["state"] in ("online", "stopped") for r in home.rows()))
    known = sorted(r["pid"] for r in home.rows() if r["pid"])
    assert {r["name"] for r in home.rows()} == {"a", "b", "c"}
    wait_until(lambda: home.processes() == known, 10, "no copy runs that nobody knows of")


def test_s36_resurrect_twice_makes_no_second_copy(home):
    three(home)
    pids = online(home, "a", "c")
    assert home.opsctl("save").returncode == 0
    for _ in range(2):
        assert home.opsctl("resurrect").returncode == 0
        assert online(home, "a", "c") == pids
        assert home.processes() == sorted(pids.values()) and home.state("b") == "stopped"
    assert home.opsctl("kill").returncode == 0
    both = [home.opsctl_background("resurrect") for _ in range(2)]
    said = [p.communicate(timeout=30) for p in both]
    assert [p.returncode for p in both] == [0, 0], said
    assert home.processes() == sorted(online(home, "a", "c").values())
