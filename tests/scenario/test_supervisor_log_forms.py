"""In which form and where lines are written, and what `opsctl logs` finds of them."""
import json
import os
import re
import time

from supervisor import BIN, fleet, py, sh, wait_until  # noqa: F401
from terminal import terminal  # noqa: F401

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"


def wait_lines(fleet, count, name="w", kind="out"):  # noqa: F811
    return wait_until(lambda: (lines := fleet.whole_log(name, kind).split(b"\n")[:-1]) and
                      len(lines) == count and lines)


def test_every_line_gets_a_time_and_every_byte_stays(fleet):  # noqa: F811
    line = bytes(b for b in range(256) if b != 10)
    fleet.apps(py(r"""
os.write(1, b'one\ntwo\n\nha')
time.sleep(0.05)
os.write(1, b'lf\n' + bytes(b for b in range(256) if b != 10) + b'\n' + b'x' * 1000000 + b'\nend')""",
                  time=True, autorestart=False))
    fleet.start()
    fleet.wait_state("w", "stopped")
    lines = wait_lines(fleet, 7)
    assert all(re.match(STAMP.encode() + b": ", one) for one in lines)
    assert [one[21:] for one in lines] == [b"one", b"two", b"", b"half", line, b"x" * 1000000, b"end"]


def test_a_format_of_pm2s_and_one_of_strftime(fleet):  # noqa: F811
    fleet.apps(sh("echo x; echo e >&2; exec sleep 1000", "pm2", log_date_format="DD.MM.YY [at] HH:mm:ss.SSS Z"),
               sh("echo x; exec sleep 1000", "c", log_date_format="%Y/%m/%d %%"))
    fleet.start()
    assert re.fullmatch(rb"\d\d\.\d\d\.\d\d at \d\d:\d\d:\d\d\.\d{3} [+-]\d\d:\d\d: x",
                        wait_lines(fleet, 1, "pm2")[0])
    assert wait_lines(fleet, 1, "pm2", "error")[0].endswith(b": e")
    assert re.fullmatch(rb"\d{4}/\d\d/\d\d %: x", wait_lines(fleet, 1, "c")[0])


def test_json_has_pm2s_members(fleet):  # noqa: F811
    fleet.apps(py(r"""os.write(1, b'plain\n"\\ \t\x00 \xd0\xbf \xff\n' + '\u00e9'.encode() * 300000 + b'\n')
os.write(2, b'bad\n')
time.sleep(1000)""", log_type="json"), py("os.write(1, b'x\\n')\ntime.sleep(1000)", "dated",
                                          log_type="json", log_date_format="YYYY"))
    fleet.start()
    found = [json.loads(line) for line in wait_lines(fleet, 3)]
    assert list(found[0]) == ["timestamp", "type", "process_id", "app_name", "message"]
    assert (found[0]["type"], found[0]["process_id"], found[0]["app_name"]) == ("out", fleet.row("w")["id"], "w")
    assert re.fullmatch(STAMP + r"(\.\d+)?Z", found[0]["timestamp"])
    assert [one["message"] for one in found] == ["plain", '"\\ \t\0 п \\xff', "é" * 300000]
    assert json.loads(wait_lines(fleet, 1, "w", "error")[0])["type"] == "err"
    assert re.fullmatch(r"\d{4}", json.loads(wait_lines(fleet, 1, "dated")[0])["timestamp"])


def test_one_log_for_both_streams_and_one_for_all_instances(fleet):  # noqa: F811
    fleet.apps(sh("echo out; sleep 0.2; echo err >&2; exec sleep 1000", "both", log_file=True),
               sh("echo out; echo err >&2; exec sleep 1000", "named", log_file="all.log",
                  out_file="/dev/null"),
               sh("echo $NODE_APP_INSTANCE; exec sleep 1000", "many", instances=3, merge_logs=True),
               sh("echo x; exec sleep 1000", "none", log_file=True, disable_logs=True))
    fleet.start()
    logs = fleet.folder / "logs"
    wait_until(lambda: (logs / "both.log").read_text() == "out\nerr\n")
    wait_until(lambda: sorted(fleet.file("all.log").read_text().split()) == ["err", "out"])
    wait_until(lambda: sorted((logs / "many-out.log").read_text().split()) == ["0", "1", "2"])
    wait_until(lambda: fleet.lines("both") == ["out"] and fleet.lines("both", "error") == ["err"])
    assert not list(logs.glob("none*")) and fleet.state("none") == "online"


def test_settings_of_a_log_hold_from_now_on(fleet):  # noqa: F811
    os.mkfifo(fleet.file("pipe"))
    app = sh("exec cat pipe")
    fleet.apps(app)
    fleet.start()
    with open(fleet.file("pipe"), "w", buffering=1) as pipe:
        pipe.write("one\n")
        wait_lines(fleet, 1)
        pid = fleet.row("w")["pid"]
        fleet.apps({**app, "time": True, "log_date_format": "[now]"})
        assert fleet.opsctl("apply").returncode == 0
        pipe.write("two\n")
        assert wait_lines(fleet, 2) == [b"one", b"now: two"]
        if fleet.row("w")["pid"] == pid:
            fleet.apps(app)
            assert fleet.opsctl("apply").returncode == 0


# --- what opsctl logs finds

def numbered(count, **fields):
    return py(f"for n in range({count}): os.write(1, b'line %06d\\n' % n)\ntime.sleep(1000)", **fields)


def test_lines_come_from_rotated_and_compressed_logs_too(fleet):  # noqa: F811
    fleet.apps(numbered(2000, log_max_size=1200, log_keep=1000, log_compress=True))
    fleet.start()
    wait_until(lambda: fleet.log("w").endswith(b"001999\n"))
    for count in (1, 99, 100, 101, 1234, 2000, 5000):
        got = fleet.opsctl("logs", "w", "-n", count).stdout.splitlines()
        assert got == [f"line {n:06d}" for n in range(max(0, 2000 - count), 2000)]
    got = fleet.opsctl("logs", "w", "-n", 3, "--grep", "77").stdout.split("\n")
    assert got == ["line 001877", "line 001977", ""] or got[:-1] == [
        f"line {n:06d}" for n in [n for n in range(2000) if "77" in f"{n:06d}"][-3:]]


def test_half_a_line_at_the_end_counts(fleet):  # noqa: F811
    fleet.apps(sh("exec sleep 1000"))
    logs = fleet.file("logs")
    logs.mkdir()
    (logs / "w-out.log.1").write_bytes(b"1\n2\n3\n")
    (logs / "w-out.log").write_bytes(b"4\n5\nhalf")
    fleet.start("--no-start")
    for count in range(1, 8):
        assert fleet.opsctl("logs", "w", "-n", count).stdout.split() == "1 2 3 4 5 half".split()[-count:]


def test_since_is_when_it_was_printed_not_what_is_in_it(fleet):  # noqa: F811
    os.mkfifo(fleet.file("pipe"))
    fleet.apps(sh("exec cat pipe", log_max_size=30, log_keep=50))
    fleet.start()
    with open(fleet.file("pipe"), "w", buffering=1) as pipe:
        pipe.write("".join(f"old {n}\n" for n in range(10)))
        wait_lines(fleet, 10)
        parted = time.time() + 0.3
        wait_until(lambda: time.time() > parted + 0.3)
        pipe.write("".join(f"new {n}\n" for n in range(10)))
        wait_lines(fleet, 20)
    instant = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(parted)) + f".{int(parted % 1 * 1000):03d}Z"
    new = [f"new {n}" for n in range(10)]
    assert fleet.opsctl("logs", "w", "--since", instant).stdout.splitlines() == new
    assert fleet.opsctl("logs", "w", "--since", instant, "-n", 4).stdout.splitlines() == new[-4:]
    assert fleet.opsctl("logs", "w", "--since", "1h").stdout.count("\n") == 20
    # it is noted ten times a second
    wait_until(lambda: fleet.opsctl("logs", "w", "--since", "1ms").stdout == "")
    assert fleet.opsctl("logs", "w", "--since", "1h", "--grep", "old").stdout.count("\n") == 10
    for bad in ("60", "soon", "2026-01-01"):
        got = fleet.opsctl("logs", "w", "--since", bad)
        assert got.returncode == 2 and "--since" in got.stderr


def test_a_follower_goes_from_file_to_file(fleet):  # noqa: F811
    fleet.apps(numbered(20000, log_max_size=20000, log_keep=2, log_compress=True, autostart=False))
    fleet.start()
    with fleet.connect() as client:
        client.send("logs", names=["w"], lines=0, follow=True)
        client.call("ping")
        fleet.rpc("start", names=["w"])
        for n in range(20000):
            assert client.receive()["params"]["line"] == f"line {n:06d}"


def test_a_follower_sees_only_what_it_looks_for(fleet):  # noqa: F811
    fleet.apps(numbered(20000, autostart=False), numbered(300, name="other", autostart=False))
    fleet.start()
    with fleet.connect() as client:
        client.send("logs", names=["w", "other"], lines=0, follow=True, grep="99")
        client.call("ping")
        fleet.rpc("start", names=["w", "other"])
        wanted = {name: [f"line {n:06d}" for n in range(count) if "99" in f"{n:06d}"]
                  for name, count in (("w", 20000), ("other", 300))}
        got = {"w": [], "other": []}
        while got != wanted:
            params = client.receive()["params"]
            got[params["name"]].append(params["line"])
            assert got[params["name"]] == wanted[params["name"]][:len(got[params["name"]])]


def test_lines_of_several_are_told_apart_by_name_and_on_a_terminal_by_colour(fleet, terminal):  # noqa: F811
    fleet.apps(sh("echo good; echo bad >&2; exec sleep 1000"), sh("echo else; exec sleep 1000", "another"))
    fleet.start()
    shown = terminal().run(BIN / "opsctl", "--home", fleet.home, "logs", "-f", cwd=fleet.folder)
    for line in ("w       | good", "w       | bad", "another | else"):
        shown.wait(line)
    coloured = shown.screen(colours=True)
    assert re.search("\x1b\\[32mw +\\|\x1b\\[\\d*m good", coloured), coloured
    assert re.search("\x1b\\[31mw +\\|\x1b\\[\\d*m bad", coloured), coloured
    piped = fleet.opsctl("logs").stdout
    assert sorted(piped.splitlines()) == ["another | else", "w       | bad", "w       | good"]


def test_the_last_words_outlive_their_log(fleet):  # noqa: F811
    fleet.apps(sh("echo first; echo last words >&2; exit 3", max_restarts=1, min_uptime=1000,
                  log_max_size=5))
    fleet.start()
    fleet.wait_state("w", "errored")
    assert fleet.opsctl("flush").returncode == 0
    exits = fleet.rpc("describe", name="w")["workers"][0]["exits"]
    assert exits and all(one["lines"] == ["first", "last words"] for one in exits)
