"""Strikes at a boundary of opsd's: opsd_strike.c, as the tests use it.

    striker = Striker(home)
    home.recover(**striker.preload)
    pair = striker.at(17)        before the 17th boundary from now on, guard and supervisor end
    ...
    struck = striker.over()      both are gone; False: they had to be killed in another way
"""
import contextlib
import os
import signal

from conformance_fleet import is_alive, wait_until
from preload import preload


class Striker:
    def __init__(self, home, lag_ms=0):
        self.home, self.file, self.pair = home, home.file("strike"), ()
        self.preload = preload("opsd_strike", OPSD_STRIKE=str(self.file),
                               OPSD_STRIKE_LAG_MS=str(lag_ms))

    def arm(self, number, who="both"):
        """For a supervisor that is there or comes: whichever reads it first."""
        self.file.with_suffix(".new").write_text(f"{number} {who}")
        self.file.with_suffix(".new").rename(self.file)

    def at(self, number, who="both"):
        self.pair = tuple(self.home.daemon().values())
        self.arm(number, who)
        return self.pair

    def over(self):
        struck = not all(map(is_alive, self.pair))
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in self.pair:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
        wait_until(lambda: not any(map(is_alive, self.pair)), what="both are gone")
        self.file.unlink(missing_ok=True)
        return struck
