"""opsctl cron: the next instants of a schedule, without an opsd."""
import json
import re

import pytest

from supervisor import fleet  # noqa: F401


def test_prints_the_next_instants_without_an_opsd(fleet):
    got = fleet.opsctl("cron", "30 1 * * *", "--tz", "Europe/London",
                       "--from", "2026-03-28T12:00:00Z", "-n", 2)
    assert (got.returncode, got.stderr) == (0, "")
    assert got.stdout.splitlines() == ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    assert not fleet.home.exists()


def test_json_is_one_document(fleet):
    got = fleet.opsctl("cron", "@every", "90s", "--from", "2026-11-21T13:00:00+03:00", "-n", 2, "--json")
    assert json.loads(got.stdout) == {
        "expression": "@every 90s", "words": "every 90 s", "timezone": None, "from": "2026-11-21T10:00:00Z",
        "next": ["2026-11-21T10:01:30Z", "2026-11-21T10:03:00Z"]}


def test_five_from_now_on_unless_told_otherwise(fleet):
    instants = fleet.opsctl("cron", "@hourly").stdout.splitlines()
    assert len(instants) == 5
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:00:00Z", i) for i in instants)
    assert fleet.opsctl("cron", "@hourly", "-n", 0).stdout == ""


@pytest.mark.parametrize("words, code, said", [
    (["0 0 30 2 *"], 1, "day of month: never due"),
    (["0 0 * januray *"], 1, 'did you mean "january"?'),
    (["@dayly"], 1, "did you mean @daily?"),
    (["@reboot"], 1, "run_on_start"),
    (["0 3 * *"], 1, "want 5 fields"),
    (["0", "3", "README.md", "src", "README.md", "src", "mon"], 1, "put it in quotes"),
    (["@daily", "--tz", "Moscow"], 1, 'did you mean "Europe/Moscow"?'),
    (["@daily", "--from", "tomorrow"], 2, "--from: want an instant such as"),
    (["@daily", "-n", "1000000"], 2, "at most 100000"),
    ([], 2, "usage: opsctl cron"),
])
def test_says_what_is_wrong(fleet, words, code, said):
    got = fleet.opsctl("cron", *words)
    assert got.returncode == code and said in got.stderr and got.stdout == ""
