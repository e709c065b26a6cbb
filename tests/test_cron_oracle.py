"""Schedules against an oracle: what is due, found by looking at every minute of every zone's clock.

The oracle shares nothing with supervisor/cron.c but the rules: it draws each field as a text
together with the set that the text means, and walks through UTC minute by minute with Python's
zoneinfo. CRON_SEED and CRON_CASES draw other cases, and more.
"""

import calendar
import functools
import os
import random
import subprocess
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parent.parent
TEST_CRON = ROOT / os.environ.get("BUILD", "build") / "tests" / "test_cron"
OPSCTL = ROOT / os.environ.get("BUILD", "build") / "bin" / "opsctl"

SEED = int(os.environ.get("CRON_SEED", "20261121"))
CASES = int(os.environ.get("CRON_CASES", "1800"))
INSTANTS = 20
DAYS_MAX = 1000  # a case that needs more is compared as far as the oracle came

DAY_S = 86400
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
WEEKDAYS = "sun mon tue wed thu fri sat".split()

# Instants near which a zone's clock is moved, or the calendar has an edge.
EDGES = {
    "Europe/London": ["2026-03-29T01:00", "2026-10-25T01:00", "1971-10-31T02:00",
                      "2100-03-28T01:00"],
    "America/New_York": ["2026-03-08T07:00", "2026-11-01T06:00", "2028-02-29T05:00"],
    "Australia/Sydney": ["2026-04-04T16:00", "2026-10-03T16:00"],
    "Australia/Lord_Howe": ["2026-04-04T15:00", "2026-10-03T15:30"],
    "Europe/Moscow": ["2011-03-26T23:00", "2014-10-25T22:00", "1991-03-31T00:00"],
    "Asia/Kathmandu": ["1985-12-31T18:30", "2027-12-31T18:15"],
    "America/Sao_Paulo": ["2018-11-04T03:00", "2019-02-17T02:00"],  # at midnight
    "Africa/Casablanca": ["2026-02-15T02:00", "2026-03-22T02:00"],
    "Pacific/Apia": ["2011-12-30T10:00"],  # a day that never was
    "UTC": ["2096-02-28T12:00"],
}


# --- the clock


def moved_minutes(tz, day):
    before = datetime.fromtimestamp(day * DAY_S - 60, tz).replace(tzinfo=None)
    for second in range(day * DAY_S, (day + 1) * DAY_S, 60):
        aware = datetime.fromtimestamp(second, tz)
        now = aware.replace(tzinfo=None, fold=0)
        missing = before + timedelta(minutes=1)
        while missing < now:
            yield second, missing.date(), missing.hour, missing.minute, False, False
            missing += timedelta(minutes=1)
        yield second, now.date(), now.hour, now.minute, True, aware.fold == 1
        before = now


def steady_minutes(tz, day):
    first = datetime.fromtimestamp(day * DAY_S, tz)
    dates = first.date(), first.date() + timedelta(days=1)
    begun = first.hour * 60 + first.minute
    for i in range(begun, begun + 1440):
        yield (day * 1440 + i - begun) * 60, dates[i // 1440], i // 60 % 24, i % 60, True, False


@functools.lru_cache(maxsize=100)
def minutes_of_day(zone, day):
    """For each minute of a UTC day: the minutes that the clock shows or jumps over.

    Rows are (second, date, hour, minute, shown, again): shown is false for a minute that is jumped
    over, again is true in the second pass of a repeated hour. A clock that is moved stays so for
    days, so a day is steady when the clock is as far from UTC at its end as a day before it.
    """
    tz = ZoneInfo(zone)
    ends = [datetime.fromtimestamp(d * DAY_S, tz).utcoffset() for d in (day - 1, day + 1)]
    return list((steady_minutes if ends[0] == ends[1] else moved_minutes)(tz, day))


@functools.lru_cache(maxsize=None)
def dates_of_day(zone, day):
    """The dates that may be shown or jumped over in a UTC day: zones are -12 to +14 hours off."""
    first = datetime.fromtimestamp(day * DAY_S - 60, ZoneInfo(zone)).date()
    last = datetime.fromtimestamp((day + 1) * DAY_S, ZoneInfo(zone)).date()
    return [first + timedelta(days=i) for i in range((last - first).days + 1)]


# --- the fields, each as a text and what it means


def draw_numbers(rng, least, most, names=()):
    """A list of numbers, ranges and steps."""

    def show(value):
        if names and rng.random() < 0.5:
            return rng.choice([str.upper, str.lower, str.title])(names[value - least])
        return str(value)

    texts, members = [], set()
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        a, b = sorted(rng.sample(range(least, most + 1), 2))
        step = rng.randint(1, most - least + 1)
        text, values = rng.choice(
            [
                (show(a), [a]),
                (show(b), [b]),
                (f"{show(a)}-{show(b)}", range(a, b + 1)),
                (f"{show(a)}-{show(b)}/{step}", range(a, b + 1, step)),
                (f"{a}/{step}", range(a, most + 1, step)),
            ]
        )
        texts.append(text)
        members.update(values)
    return ",".join(texts), members


def draw_field(rng, least, most, star, names=()):
    """Like draw_numbers; with the probability star it is `*`, or a step of it."""
    if rng.random() >= star:
        return draw_numbers(rng, least, most, names)
    if rng.random() < 0.5:
        return "*", set(range(least, most + 1))
    step = rng.randint(1, most - least + 1)
    return f"*/{step}", set(range(least, most + 1, step))


def month_length(day):
    return calendar.monthrange(day.year, day.month)[1]


def workday_near(year, month, n):
    """The working day nearest to the n-th within its month, or None."""
    length = calendar.monthrange(year, month)[1]
    if n > length:
        return None
    days = [date(year, month, k) for k in range(1, length + 1)]
    return min((abs(d.day - n), d) for d in days if d.isoweekday() <= 5)[1]


def draw_days(rng):
    """Of a month: a text and what it says of a date."""
    special = rng.random()
    n = rng.randint(1, 31)
    if special < 0.08:
        return "L", lambda d: d.day == month_length(d)
    if special < 0.12:
        return f"L-{n % 28 + 1},{n}", lambda d: d.day in (month_length(d) - n % 28 - 1, n)
    if special < 0.16:
        return "LW", lambda d: d == workday_near(d.year, d.month, month_length(d))
    if special < 0.24:
        return f"{n}W", lambda d: d == workday_near(d.year, d.month, n)
    if special < 0.28:
        return "?", lambda d: True
    text, members = draw_field(rng, 1, 31, 0.5)
    return text, lambda d: d.day in members


def draw_weekdays(rng):
    special = rng.random()
    w, n = rng.randint(0, 7), rng.randint(1, 5)
    name = rng.choice([str(w), WEEKDAYS[w % 7]])
    if special < 0.08:
        return f"{name}L", lambda d: d.isoweekday() % 7 == w % 7 and d.day + 7 > month_length(d)
    if special < 0.18:
        return f"{name}#{n}", lambda d: d.isoweekday() % 7 == w % 7 and (d.day + 6) // 7 == n
    if special < 0.24:
        end = w % 7 + n
        members = {k % 7 for k in range(w % 7, end + 1)}
        return f"{WEEKDAYS[w % 7]}-{WEEKDAYS[end % 7]}", lambda d: d.isoweekday() % 7 in members
    text, members = draw_field(rng, 0, 6, 0.7, WEEKDAYS)
    return text, lambda d: d.isoweekday() % 7 in members


# What each of them means, as its fields would be drawn.
MACROS = {
    "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *", "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
}


def draw_schedule(rng):
    kind = rng.random()
    if kind < 0.04:
        return Every(rng)
    if kind < 0.1:
        return Macro(rng)
    return Schedule(rng)


class Every:
    """Counts from 1970, whatever the clock shows."""

    def __init__(self, rng):
        unit, size = rng.choice([("s", 1), ("m", 60), ("h", 3600)])
        n = rng.randint(1, 200)
        self.step = n * size * 1000
        self.text = f"@every {n}{unit}"

    def next(self, _, start_ms):
        first = start_ms // self.step + 1
        return [(first + i) * self.step for i in range(INSTANTS)], True


class Schedule:
    def __init__(self, rng):
        second, self.seconds = draw_field(rng, 0, 59, 0.1) if rng.random() < 0.15 else ("", {0})
        minute, self.minutes = draw_field(rng, 0, 59, 0.3)
        hour, self.hours = draw_field(rng, 0, 23, 0.35)
        if rng.random() < 0.3:  # where clocks are moved
            hour, self.hours = rng.choice([("2", {2}), ("1-3", {1, 2, 3}), ("0,1", {0, 1})])
        day, self.by_date = draw_days(rng)
        month, self.months = draw_field(rng, 1, 12, 0.8, MONTHS)
        weekday, self.by_weekday = draw_weekdays(rng)
        self.either = day[0] not in "*?" and weekday[0] != "*"
        self.real_time = hour[0] == "*"
        self.text = f"{second} {minute} {hour} {day} {month} {weekday}".strip()

    @functools.lru_cache(maxsize=None)
    def due_on(self, day):
        if day.month not in self.months:
            return False
        if self.either:
            return self.by_date(day) or self.by_weekday(day)
        return self.by_date(day) and self.by_weekday(day)

    def next(self, zone, start_ms):
        """The next instants (ms), and whether these are all that were wanted."""
        due = []
        last = start_ms
        first_day = start_ms // 1000 // DAY_S
        for day in range(first_day, first_day + DAYS_MAX):
            dates = {d for d in dates_of_day(zone, day) if self.due_on(d)}
            if not dates:
                continue
            for row in minutes_of_day(zone, day):
                if row[3] in self.minutes and row[2] in self.hours and row[1] in dates:
                    for last in (at for at in self.due_in(row) if at > last):
                        due.append(last)
                    if len(due) >= INSTANTS:
                        return due[:INSTANTS], True
        return due, False

    def due_in(self, row):
        second, _, _, _, shown, again = row
        if not shown:
            return [] if self.real_time else [second * 1000]
        if again and not self.real_time:
            return []
        return [(second + s) * 1000 for s in sorted(self.seconds)]


class Macro(Schedule):
    def __init__(self, rng):
        self.text = rng.choice(list(MACROS))
        minute, hour, day, month, weekday = MACROS[self.text].split()
        self.seconds, self.minutes = {0}, {int(minute)}
        self.hours = set(range(24)) if hour == "*" else {int(hour)}
        self.months = set(range(1, 13)) if month == "*" else {int(month)}
        self.by_date = lambda d: day in ("*", str(d.day))
        self.by_weekday = lambda d: weekday in ("*", str(d.isoweekday() % 7))
        self.either, self.real_time = False, hour == "*"
        self.text = rng.choice([str, str.upper])(self.text)


# --- the comparison


def draw_cases():
    rng = random.Random(SEED)
    edges = [(zone, text) for zone, texts in EDGES.items() for text in texts]
    for i in range(CASES):
        zone, text = edges[i * len(edges) // CASES]
        edge = datetime.fromisoformat(text).replace(tzinfo=timezone.utc).timestamp()
        before_ms = rng.choice([0, 1, 1800000, 5400000, rng.randint(0, 2 * DAY_S * 1000)])
        yield draw_schedule(rng), zone, int(edge * 1000) - before_ms


def ask(cases, n=INSTANTS):
    lines = "".join(f"{schedule}\t{zone}\t{start}\t{n}\n" for schedule, zone, start in cases)
    assert TEST_CRON.exists(), f"{TEST_CRON} is missing: make test-unit builds it"
    command = [TEST_CRON, "next", "-"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_agrees_with_the_oracle():
    cases = list(draw_cases())
    answers = ask([(schedule.text, zone, start) for schedule, zone, start in cases])
    assert len(answers) == len(cases)
    compared = complete = 0
    for (schedule, zone, start), answer in zip(cases, answers):
        if answer.startswith("error: ") and "never due" in answer:
            assert not schedule.next(zone, start)[0], f"{schedule.text} refused: {answer}"
            continue
        want, is_complete = schedule.next(zone, start)
        got = [int(word) for word in answer.split()][: len(want)]
        assert got == want, f"'{schedule.text}' in {zone} from {start}"
        compared += bool(want)
        complete += is_complete
    assert compared >= complete >= CASES * 5 // 6


def test_opsctl_cron_says_the_same():
    for schedule, zone, start in list(draw_cases())[::CASES // 40]:
        want, is_complete = schedule.next(zone, start)
        if not is_complete:
            continue
        begin = datetime.fromtimestamp(start / 1000, timezone.utc).isoformat(timespec="milliseconds")
        got = subprocess.run([OPSCTL, "cron", schedule.text, "--tz", zone, "--from", begin, "-n",
                              str(INSTANTS)], capture_output=True, text=True, timeout=60)
        said = [datetime.fromisoformat(line.replace("Z", "+00:00")) for line in got.stdout.split()]
        assert [round(at.timestamp() * 1000) for at in said] == want, schedule.text


def test_every_counts_from_1970():
    start = 1774746000000
    (answer,) = ask([("@every 17m", "Europe/London", start)])
    due = [int(word) for word in answer.split()]
    step = 17 * 60000
    assert due == [(start // step + 1 + i) * step for i in range(INSTANTS)]
