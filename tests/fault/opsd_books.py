"""What the workers of a fleet say they did (tests/worker/numbered.c) against what the logs have."""
import collections
import gzip
import re
import struct

STREAMS = ("out", "error")
EXITED = 1000
LIFE = struct.Struct("=8q")

Life = collections.namedtuple("Life", "pid began last ending tried written")


def lives(folder, key):
    """Of one instance, NAME:NUMBER, oldest first."""
    path = folder / f"{key}.lives"
    if not path.exists():
        return []
    text = path.read_bytes()
    whole = len(text) - len(text) % LIFE.size
    return [Life(*r[:4], tried=r[4:6], written=r[6:8]) for r in LIFE.iter_unpack(text[:whole])]


def ending_of(row):
    """A row's last end in the words of the books."""
    if row["exit_signal"] is not None:
        return -row["exit_signal"]
    return None if row["exit_code"] is None else EXITED + row["exit_code"]


def line(key, life, number):
    return b"%s %d %d %s" % (key.encode(), life, number, b"." * (number * 37 % 180))


def log_of(path):
    """A log and what was rotated away from it, oldest first: NAME.log.2.gz, NAME.log.1, NAME.log."""
    def age(file):
        found = re.search(r"\.(\d+)(\.gz)?$", file.name)
        return -int(found[1]) if found else 0
    parts = sorted(path.parent.glob(path.name + "*"), key=age)
    return b"".join(gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
                    for p in parts)


def stream_problem(key, stream, known, log):
    """Every line that was written stands there once, whole, in order. One that was begun and whose
    end its worker did not live to see may."""
    lines = log.split(b"\n")
    if lines.pop():
        return f"{key} {STREAMS[stream]}: the log ends within a line"
    at = 0
    for number, life in enumerate(known):
        for n in range(1, life.tried[stream] + 1):
            if at < len(lines) and lines[at] == line(key, number, n):
                at += 1
            elif n <= life.written[stream]:
                found = lines[at][:60] if at < len(lines) else "its end"
                return f"{key} {STREAMS[stream]}: line {n} of life {number} is not there, but {found}"
    if at < len(lines):
        return f"{key} {STREAMS[stream]}: nobody printed line {at + 1} of the log: {lines[at][:60]}"
    return None


def overlap_problem(key, known):
    for number, (before, after) in enumerate(zip(known, known[1:])):
        if after.began < before.last:
            return f"{key}: life {number + 1} began before life {number} had ended"
    return None


def problems(folder, logs):
    """`logs` finds the log of an instance: logs(key, "out") is a path. An empty list: all is well."""
    found = []
    violations = folder / "violations"
    if violations.exists():
        found += violations.read_text().splitlines()
    for file in sorted(folder.glob("*.lives")):
        key = file.name.removesuffix(".lives")
        known = lives(folder, key)
        found.append(overlap_problem(key, known))
        found += [stream_problem(key, n, known, log_of(logs(key, name)))
                  for n, name in enumerate(STREAMS)]
    return [problem for problem in found if problem]
