"""The environment that preloads a library of this folder into a worker."""
import functools
import os
import subprocess

from harness import BUILD


@functools.cache
def sanitizer():
    """libasan must come first, or it refuses to start; empty for a build without it."""
    if "-san" not in BUILD.name:
        return []
    found = subprocess.run(["gcc", "-print-file-name=libasan.so"], capture_output=True, text=True)
    return [os.path.realpath(found.stdout.strip())]


def preload(library, **settings):
    """preload("kill_at", KILL_AT=3): settings for World.run or the fixture `worker`."""
    path = BUILD / "tests" / f"{library}.so"
    assert path.exists(), f"{path} is missing: make test builds it"
    return {"LD_PRELOAD": " ".join([*sanitizer(), str(path)]), **settings}


def kill_at(number, when="before", what="worker", **settings):
    return preload("kill_at", KILL_AT=number, KILL_WHEN=when, KILL_WHAT=what, **settings)


def struck(output):
    """The announcement of kill_at.c; a run without it got through."""
    return next((line for line in output.splitlines() if line.startswith("kill_at: ")), None)
