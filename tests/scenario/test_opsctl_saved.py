"""opsctl save and resurrect, against the real opsd."""
import json
import os

import pytest

from conformance_fleet import home, wait_until  # noqa: F401
from supervisor import sh


def three(home):
    """a and c run, b was stopped."""
    home.apps(*(sh("exec sleep 1000", name) for name in ("a", "b", "c")))
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    assert home.opsctl("stop", "b").returncode == 0


def wanted(home):
    return sorted(r["name"] for r in home.rows() if r["wanted"] == "up")


def saved(home, old=""):
    return home.home / f"saved.json{old}"


def test_saved_is_which_are_wanted(home):
    three(home)
    got = home.opsctl("save")
    assert (got.returncode, got.stdout) == (0, f"saved in {saved(home)}; wanted: 2\n")
    rows = json.loads(saved(home).read_text())["workers"]
    assert [(r["name"], r["instance"], r["wanted"]) for r in rows] == [
        ("a", 0, True), ("b", 0, False), ("c", 0, True)]
    assert saved(home).stat().st_mode & 0o777 == 0o600
    assert json.loads(home.opsctl("save", "--json").stdout) == {"file": str(saved(home)), "wanted": 2}


def test_resurrect_starts_what_was_saved_and_stops_nothing(home):
    three(home)
    home.opsctl("save")
    home.opsctl("stop", "a")
    home.opsctl("start", "b")
    pid = home.row("c")["pid"]
    got = home.opsctl("resurrect")
    assert got.returncode == 0, got.stderr
    assert wanted(home) == ["a", "b", "c"] and home.row("c")["pid"] == pid
    assert got.stdout.splitlines() == ["a online", "b online", "c online"]


def test_resurrect_starts_opsd_and_nothing_else(home):
    three(home)
    home.opsctl("save")
    assert home.opsctl("kill").returncode == 0
    assert home.opsctl("resurrect").returncode == 0
    assert wanted(home) == ["a", "c"]


@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "missing", "other", "folder"])
def test_s35_the_copy_before_is_used(home, damage):
    three(home)
    home.opsctl("save")
    home.opsctl("stop", "c")
    home.opsctl("save")
    text = saved(home).read_bytes()
    assert json.loads(saved(home, ".old").read_text())
    saved(home).unlink()
    if damage == "folder":
        saved(home).mkdir()
    elif damage != "missing":
        saved(home).write_bytes({"empty": b"", "cut": text[:-5], "noise": os.urandom(100),
                                 "other": b'{"version":1}'}[damage])
    home.opsctl("stop", "all")
    got = home.opsctl("resurrect")
    assert got.returncode == 0 and "the one before it is used" in got.stderr
    assert wanted(home) == ["a", "c"]


def test_s35_a_damaged_copy_never_takes_the_place_of_a_good_one(home):
    three(home)
    home.opsctl("save")
    home.opsctl("save")
    saved(home).write_text("")
    home.opsctl("stop", "all")
    assert home.opsctl("save").returncode == 0
    old = json.loads(saved(home, ".old").read_text())["workers"]
    assert [r["name"] for r in old if r["wanted"]] == ["a", "c"]


@pytest.mark.parametrize("text", [None, "", "{", "[]"])
def test_s35_nothing_saved_is_an_error_that_changes_nothing(home, text):
    three(home)
    if text is not None:
        saved(home).write_text(text)
    pids = [r["pid"] for r in home.rows()]
    got = home.opsctl("resurrect")
    assert got.returncode == 1 and "nothing to resurrect" in got.stderr
    assert str(saved(home)) in got.stderr
    assert [r["pid"] for r in home.rows()] == pids


def test_s35_a_save_that_cannot_be_written_keeps_the_last(home):
    three(home)
    home.opsctl("save")
    before = saved(home).read_bytes()
    (home.home / "saved.json.new").mkdir()
    (home.home / "saved.json.new" / "x").touch()
    home.opsctl("stop", "a")
    got = home.opsctl("save")
    assert got.returncode == 1 and "saved.json.new" in got.stderr
    assert saved(home).read_bytes() == before


def test_what_left_the_manifest_is_noted(home):
    three(home)
    home.opsctl("save")
    home.opsctl("kill")
    home.apps(sh("exec sleep 1000", "a"), sh("exec sleep 1000", "d"))
    got = home.opsctl("resurrect")
    assert got.returncode == 0 and "c:0 was saved" in got.stderr
    assert wanted(home) == ["a"]


def test_several_instances_by_number(home):
    home.apps(sh("exec sleep 1000", instances=3))
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows()))
    home.opsctl("stop", "w:1")
    home.opsctl("save")
    home.opsctl("stop", "all")
    assert home.opsctl("resurrect").returncode == 0
    assert [r["instance"] for r in home.rows() if r["wanted"] == "up"] == [0, 2]


def test_s64_without_a_daemon_save_starts_none(home):
    home.apps(sh("exec sleep 1000"))
    got = home.opsctl("save")
    assert got.returncode == 3 and "not running" in got.stderr and not home.own()
