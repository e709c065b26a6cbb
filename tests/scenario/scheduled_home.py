"""A home whose opsd lives by a clock of the test's own.

    scheduled.start_at("2026-03-29T00:00:00Z")    opsd begins to live at that time
    scheduled.set_clock("2026-03-29T01:00:01Z")   somebody sets the clock
    scheduled.ticks("w")                          OPS_TICK of each run of ticked("w", …) that was begun

The clock goes on as any other does, from where it was set; what is not the wall clock is left alone.
"""
import datetime
import time

import pytest

from conformance_fleet import Home, wait_until
from preload import preload
from supervisor import sh

SETTLED = ("scheduled", "online", "stopped", "waiting")
PRINT_TICK = "echo $OPS_TICK"


def seconds(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def instant(at):
    return datetime.datetime.fromtimestamp(at, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def ticked(name, schedule, script=PRINT_TICK, **fields):
    return sh(script, name, schedule=schedule, **fields)


class Scheduled(Home):
    def __init__(self):
        super().__init__()
        self.folder.joinpath("clock").mkdir()
        self.clock = self.folder / "clock" / "ahead"

    @property
    def lives(self):
        """What makes an opsd of this home live by the clock; strike at it, too, where it is told to."""
        clock, strike = preload("opsd_clock"), preload("opsd_strike")
        both = clock["LD_PRELOAD"] + " " + strike["LD_PRELOAD"].split()[-1]
        return {"LD_PRELOAD": both, "OPSD_CLOCK": str(self.clock),
                "OPSD_STRIKE": str(self.file("strike"))}

    def set_clock(self, text):
        new = self.clock.with_suffix(".new")
        new.write_text(str(round(seconds(text) - time.time())))
        new.replace(self.clock)

    def start_at(self, text, *options):
        self.set_clock(text)
        self.recover(*options, **self.lives)
        wait_until(lambda: all(r["state"] in SETTLED for r in self.rows()), what="all is planned")

    def ticks(self, name):
        return self.lines(name)

    def wait_tick(self, name, tick):
        """The run of that tick has ended, and with it the turn in which others were begun, too."""
        wait_until(lambda: tick in self.ticks(name), what=f"{name} runs for {tick}")
        return self.wait_idle(name)

    def wait_idle(self, *names):
        def look():
            return all(r["state"] == "scheduled" for r in self.rows() if r["name"] in names)
        return wait_until(look, what=f"{names} have ended")


@pytest.fixture
def scheduled():
    one = Scheduled()
    yield one
    one.end()


__all__ = ["Scheduled", "instant", "scheduled", "seconds", "ticked"]
