"""What a person looks at: stat -w on a real terminal, why a worker is in its state, send."""
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import time

import pytest

from supervisor import BIN, fleet, is_alive, open_files, py, sh, wait_until  # noqa: F401
from terminal import terminal  # noqa: F401


def watch(fleet, terminal, *words, columns=80, rows=24, **env):
    return terminal(columns, rows).run(BIN / "opsctl", "--home", fleet.home, "stat", "-w", *words,
                                       cwd=fleet.folder, **env)


REASON = "exited with code 3 after"
GIVEN_UP = "it is not tried again; when the cause is gone: opsctl restart w"


@pytest.mark.parametrize("columns", [80, 200])
def test_sentences_fold_between_words_on_a_terminal(fleet, terminal, columns):
    fleet.apps(sh("exit 3", max_restarts=1, min_uptime="1m"))
    fleet.start()
    fleet.wait_state("w", "errored")

    both = "{0} --home {1} describe w; echo =; {0} --home {1} events".format(BIN / "opsctl", fleet.home)
    screen = terminal(columns, 60).run("sh", "-c", both).wait("ended with 0").split("ended with")[0]
    described, events = (part.splitlines()[1:] for part in screen.split("\n="))
    why = next(k for k, line in enumerate(described) if line.startswith("  why "))
    more = why + 1
    while described[more].startswith(" " * 16):
        more += 1
    assert (more > why + 1) == (columns == 80)
    assert GIVEN_UP in " ".join(line.strip() for line in described[why:more])
    assert "" not in events
    ended = next(k for k, line in enumerate(events) if REASON in line)
    assert ("errored" in events[ended]) == (columns == 200)
    assert events[ended].startswith("    " + REASON) == (columns == 80)
    piped = fleet.opsctl("events").stdout.splitlines()
    assert all(line == line.rstrip() for line in piped)
    assert len({line.index(" -> ") for line in piped}) == 1


@pytest.mark.parametrize("columns", [80, 200])
def test_it_shows_the_fleet_anew_and_leaves_no_trace(fleet, terminal, columns):
    fleet.apps(sh("exec sleep 1000", "one"), sh("exec sleep 1000", "two", autostart=False))
    fleet.start()
    fleet.wait_state("one", "online")
    shown = watch(fleet, terminal, columns=columns)
    screen = shown.wait("stopped")
    assert "online" in screen and all(len(line) <= columns for line in screen.splitlines())
    assert "before" not in screen and "\x1b[32m" in shown.screen(colours=True)
    assert ("NEXT RUN" in screen) == (columns == 200) or "NEXT RUN" not in screen
    fleet.opsctl("stop", "one")
    shown.wait_not("online")
    shown.keys("C-c")
    assert shown.wait("ended with 0").startswith("before")
    assert shown.modes() == ["0", "1"]


def test_q_leaves_and_other_keys_leave_no_trace(fleet, terminal):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    shell = "stty -g >before; {0} --home {1} stat -w; code=$?; stty -g >after; exit $code"
    shown = terminal().run("sh", "-c", shell.format(BIN / "opsctl", fleet.home), cwd=fleet.folder)
    shown.wait("online")
    shown.keys("x", "Enter", "y")
    shown.keys("q")
    assert "x" not in shown.wait("ended with 0").replace("ended", "").split()
    assert shown.modes() == ["0", "1"]
    assert fleet.file("before").read_text() == fleet.file("after").read_text()


@pytest.mark.parametrize("command", ["stat -w", "monit"])
def test_suspended_it_leaves_the_terminal_to_the_shell(fleet, terminal, command):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    shown = terminal().run("bash", "--norc", "--noprofile", "-i", cwd=fleet.folder, PS1="ask> ",
                           PATH=f"{BIN}:{os.environ['PATH']}")  # the shell prints the command: it fits in one line
    shown.wait("ask>")
    shown.keys(f"stty -g >before; opsctl --home {fleet.home} {command}", "Enter")
    shown.wait_not("ask>")
    shown.wait("online")

    def at_the_prompt(word):
        shown.wait("Stopped")
        wait_until(lambda: shown.modes() == ["0", "1"])
        shown.keys(f"stty -g >{word}; echo said-$((40+2))", "Enter")
        shown.wait("said-42")
        assert fleet.file(word).read_text() == fleet.file("before").read_text()
        shown.keys("clear", "Enter")
        shown.wait_not("said-42")

    for word in ("once", "twice"):
        shown.keys("C-z")
        at_the_prompt(word)
        shown.keys("fg", "Enter")
        shown.wait("online")
        assert "ask>" not in shown.screen() and shown.modes()[0] == "1"
    if command == "stat -w":  # in the background it waits for its terminal
        shown.keys("C-z")
        at_the_prompt("thrice")
        shown.keys("bg", "Enter")
        shown.wait("stat -w &")
        wait_until(lambda: shown.keys("Enter") or "Stopped" in shown.screen())
        shown.keys("fg", "Enter")
        shown.wait("online")
    shown.keys("q")
    shown.wait("ask>")
    wait_until(lambda: shown.modes() == ["0", "1"])


@pytest.mark.parametrize("command", ["stat -w", "monit"])
def test_a_stop_that_comes_while_it_draws_is_one(fleet, terminal, command):
    fleet.apps(*(sh("exec sleep 1000", f"w{n}") for n in range(30)))
    fleet.start()
    wait_until(lambda: all(row["state"] == "online" for row in fleet.rows()))
    shown = terminal(80, 50).run("bash", "--norc", "--noprofile", "-i", cwd=fleet.folder, PS1="ask> ",
                                 PATH=f"{BIN}:{os.environ['PATH']}")
    shown.wait("ask>")
    shown.keys(f"opsctl --home {fleet.home} {command}", "Enter")
    for columns in range(100, 108):
        shown.wait("online")
        shown.tmux("resize-window", "-x", columns, "-y", 45, ";", "send-keys", "C-z")
        shown.wait("Stopped")
        shown.keys("clear", "Enter")
        shown.wait_not("Stopped")
        shown.keys("fg", "Enter")
    shown.wait("online")
    shown.keys("q")
    shown.wait("ask>")


def test_it_follows_the_size_of_the_terminal(fleet, terminal):
    fleet.apps(*(sh("exec sleep 1000", f"w{n:02}") for n in range(30)))
    fleet.start()
    shown = watch(fleet, terminal, rows=10)
    shown.wait("w08")
    assert "w09" not in shown.screen()
    shown.resize(100, 40)
    shown.wait("w29")
    os.kill(shown.pids("stat -w")[0], signal.SIGTERM)
    shown.wait("ended with 0")
    assert shown.modes() == ["0", "1"]


def test_it_waits_for_an_opsd_that_was_lost(fleet, terminal):
    fleet.apps(sh("exec sleep 1000"))
    assert fleet.opsctl("start", "all").returncode == 0
    shown = watch(fleet, terminal)
    shown.wait("online")
    fleet.opsctl("kill")
    shown.wait("not running")
    fleet.opsctl("start", "all")
    shown.wait("online")


def test_no_colours_where_they_are_not_wanted(fleet, terminal):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    shown = watch(fleet, terminal, NO_COLOR="1")
    shown.wait("online")
    assert "\x1b[3" not in shown.screen(colours=True)
    for words in (["stat"], ["describe", "w"], ["events"], ["help"], ["logs"]):
        assert "\x1b" not in fleet.opsctl(*words).stdout


def test_an_error_is_seen_afterwards(fleet, terminal):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    shown = watch(fleet, terminal, "other")
    assert "no worker \"other\"" in shown.wait("ended with 4")


def test_elsewhere_it_prints_one_after_the_other(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    process = fleet.opsctl_background("stat", "-w", "--json")
    assert [json.loads(process.stdout.readline())["version"] for _ in range(2)] == [1, 1]
    process.stdout.close()
    assert process.wait(20) == 0


# --- why

WHY = [
    (sh("exec sleep 1000"), "online", "it has run for"),
    (sh("exec sleep 1000", autostart=False), "stopped", "nobody started it"),
    (sh("exit 3", backoff={"initial": "50s", "max": "50s"}), "waiting restart",
     "exited with code 3 after", "; it is tried again in "),
    (sh("exit 3", max_restarts=0), "errored", "opsctl restart w"),
    (sh("exit 0", autorestart=False), "stopped", "its work is done: exited with code 0"),
    (sh("exec sleep 1000", ready="notify", listen_timeout="60s"), "launching", "not ready yet"),
    (sh("exec sleep 1000", schedule="0 0 1 1 *"), "scheduled", "it waits for its tick, in"),
    (sh("exec sleep 1000", depends_on=["other"]), "waiting", "it waits for other to be ready"),
]


@pytest.mark.parametrize("app, state, says", [(w[0], w[1], w[2:]) for w in WHY], ids=lambda v: str(v)[:12])
def test_describe_says_why(fleet, app, state, says):
    fleet.apps(app, sh("exec sleep 1000", "other", autostart=False))
    fleet.start()
    fleet.wait_state("w", state)
    why = next(line for line in fleet.opsctl("describe", "w").stdout.splitlines() if line.startswith("  why"))
    assert all(part in why for part in says), why


# --- send

READER = "for line in sys.stdin:\n  print('got', line.strip(), flush=True)\nprint('end', flush=True)"


def test_a_line_reaches_the_standard_input_of_a_worker(fleet):
    fleet.apps(py(READER, stdin=True))
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("send", "w", "hello there").returncode == 0
    wait_until(lambda: fleet.lines("w") == ["got hello there"])
    # The pipe is the worker's own: another opsd finds it as well.
    old = fleet.pid
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: fleet.pid != old)
    assert fleet.opsctl("send", "w", "--", "-x").returncode == 0
    wait_until(lambda: "got -x" in fleet.lines("w"))


def test_what_cannot_be_sent_says_why(fleet):
    fleet.apps(py(READER, autorestart=False), py("time.sleep(1000)", "deaf", stdin=True),
               sh("exec sleep 1", "off", autostart=False))
    fleet.start()
    fleet.wait_state("deaf", "online")
    wait_until(lambda: fleet.lines("w") == ["end"])  # without "stdin" there is nothing to read
    for words, code, says in ((["deaf", "a\nb"], 2, "one line"), (["deaf", "x" * 4096], 2, "4,095"),
                              (["off", "x"], 3, "does not run"), (["dead", "x"], 4, "deaf")):
        got = fleet.opsctl("send", *words)
        assert (got.returncode, says in got.stderr) == (code, True), got.stderr
    full = wait_until(lambda: (got := fleet.opsctl("send", "deaf", "x" * 4095)).returncode and got)
    assert full.returncode == 1 and "does not read" in full.stderr


def test_without_a_pipe_it_names_the_remedy(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    got = fleet.opsctl("send", "w", "x")
    assert got.returncode == 1 and '"stdin": true' in got.stderr


@pytest.mark.parametrize("word, says", [
    ("biling", 'did you mean "billing"?'), ("shp", 'did you mean "shop"?'),
    ("biling:1", 'did you mean "billing:1"?'), ("billing:2", "billing:0 to billing:1"),
    ("nothing-like-it", "`opsctl stat` lists them"), ("nothing-like-it:1", "`opsctl stat` lists them")])
def test_a_word_that_is_no_worker(fleet, word, says):
    fleet.apps(sh("exec sleep 1000", "billing", instances=2, namespace="shop"))
    fleet.start()
    for verb in ("stop", "describe"):
        got = fleet.opsctl(verb, word)
        assert got.returncode == 4 and says in got.stderr, got.stderr


# --- documents

DOCUMENTS = ["start all", "run_all_workers", "stop w", "start w", "restart w", "restart w --wait", "reload w",
             "scale w 1", "stat", "stat w", "describe w", "history one", "events", "run_worker shop one", "pid w",
             "env w", "signal CONT w", "send w x", "reset w", "diff", "apply", "save", "resurrect", "ping",
             "wait one", "check", "cron @daily", "version", "help", "help stat", "delete one"]
REFUSALS = [("stat other", 4), ("restart other", 4), ("nonsense-word", 2), ("pid other", 4), ("reload", 2)]


def test_with_json_everything_is_one_document(fleet):
    fleet.apps(sh("exec sleep 1000", stdin=True, namespace="shop"),
               sh("exit 0", "one", namespace="shop", autorestart=False))
    for line in DOCUMENTS:
        got = fleet.opsctl("--json", *line.split())
        assert got.returncode == 0 and isinstance(json.loads(got.stdout), dict), (line, got.stderr)
    for line, code in REFUSALS:
        got = fleet.opsctl("--json", *line.split())
        assert got.returncode == code and got.stderr
        if code != 2 or got.stdout:
            assert set(json.loads(got.stdout)) == {"error"}, line


def test_sparse_rows_leave_out_what_says_nothing(fleet):
    """What the table is made of; the document of --json is always whole."""
    counts = {"instance", "restarts", "unstable_restarts"}

    def says_something(name, value):
        return not (value is None or value is False or value == {} or (name in counts and value == 0))

    fleet.apps(sh("exec sleep 1000", instances=2), sh("exec sleep 1000", "off", autostart=False))
    fleet.start()
    fleet.wait_state("w", "online")
    assert fleet.opsctl("restart", "w:1").returncode == 0
    wait_until(lambda: [row["state"] for row in fleet.rows()] == ["online", "online", "stopped"])

    def both():
        """In two answers, between which something may have been measured for the first time."""
        whole, sparse = fleet.rpc("workers_stat"), fleet.rpc("workers_stat", sparse=True)
        return ([{name for name, value in one.items() if says_something(name, value)} for one in whole["workers"]],
                [set(one) for one in sparse["workers"]])
    wait_until(lambda: (found := both())[0] == found[1])
    assert None in json.loads(fleet.opsctl("stat", "--json").stdout)["workers"][2].values()
    restarts = [line.split()[6] for line in fleet.opsctl("stat").stdout.splitlines()[1:]]
    assert restarts == ["0", "1", "0"]


def test_memory_is_that_of_now(fleet):
    """That of a worker which sleeps is not read for every question; when it wakes up, it is."""
    fleet.apps(py("input(); held = b'x' * (64 << 20); input()", stdin=True))
    fleet.start()
    before = wait_until(lambda: fleet.row("w")["memory_bytes"])
    assert fleet.opsctl("send", "w", "go").returncode == 0
    wait_until(lambda: fleet.row("w")["memory_bytes"] > before + (60 << 20))


def looked_at(supervisor):
    """The pids whose figures it has open."""
    found = [re.fullmatch(r"/proc/(\d+)/statm", file) for file in open_files(supervisor).values()]
    return {int(match[1]) for match in found if match}


def test_what_tells_memory_is_kept_as_long_as_its_process(fleet):
    fleet.apps(sh("exec sleep 1000", instances=2), sh("exec sleep 1000", "other"))
    fleet.start()

    def running():
        return {row["pid"] for row in fleet.rows()}

    def are_looked_at():
        return None not in running() and looked_at(fleet.pid) == running()

    wait_until(are_looked_at)
    assert fleet.opsctl("restart", "other").returncode == 0
    wait_until(are_looked_at)
    before, pids = fleet.pid, running()
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: fleet.pid != before)
    wait_until(lambda: running() == pids and are_looked_at(), what="they are adopted")
    assert fleet.opsctl("stop", "all").returncode == 0
    assert not looked_at(fleet.pid)


def test_workers_need_descriptors_more_than_their_figures_do(fleet):
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    fleet.wait_state("w", "online")
    usual = resource.prlimit(fleet.supervisor, resource.RLIMIT_NOFILE)
    highest = max(map(int, os.listdir(f"/proc/{fleet.supervisor}/fd")))
    resource.prlimit(fleet.supervisor, resource.RLIMIT_NOFILE, (highest + 8, usual[1]))
    assert fleet.opsctl("restart", "w").returncode == 0
    assert fleet.row("w")["memory_bytes"] > 0
    assert not looked_at(fleet.supervisor)


def test_help_as_a_document_is_what_help_says():
    document = json.loads(subprocess.run([BIN / "opsctl", "help", "--json"], capture_output=True).stdout)
    text = subprocess.run([BIN / "opsctl", "help"], capture_output=True, text=True).stdout
    for command in [*document["commands"], *document["management"]]:
        assert re.search(rf"^  {command['word']} +{re.escape(command['help'])}$", text, re.M), command
    stat = next(c for c in document["commands"] if c["word"] == "stat")
    assert "ls" in stat["aliases"] and {"name": "watch", "letter": "w", "value": None} == {
        k: v for k, v in stat["options"][0].items() if k != "help"}


# --- restart --wait

def test_restart_waits_and_shows_what_a_worker_said_that_did_not_come_up(fleet):
    fleet.apps(sh("if [ -e broken ]; then echo no such table: users >&2; exit 1; fi; exec sleep 1000",
                  max_restarts=1, min_uptime=1500))
    fleet.start()
    fleet.wait_state("w", "online")
    begun = time.monotonic()
    assert fleet.opsctl("restart", "w", "--wait").returncode == 0 and time.monotonic() - begun > 1.5
    fleet.file("broken").touch()
    got = fleet.opsctl("restart", "w", "--wait")
    assert got.returncode == 1 and "no such table: users" in got.stderr


# --- the table itself

@pytest.mark.parametrize("columns", [80, 200])
def test_the_table_fits_the_terminal_and_is_coloured_there(fleet, terminal, columns):
    fleet.apps(*(sh("exec sleep 1000", f"a-worker-with-a-name-that-is-long-{n}", namespace="namespace")
                 for n in range(3)), sh("exit 3", "bad", max_restarts=0))
    fleet.start()
    fleet.wait_state("bad", "errored")
    wait_until(lambda: [row["state"] for row in fleet.rows()].count("online") == 3)
    shown = terminal(columns).run(BIN / "opsctl", "--home", fleet.home, "stat", cwd=fleet.folder)
    screen = shown.wait("ended with 0")
    assert all(len(line) <= columns for line in screen.splitlines())
    assert ("namespace" in screen) == (columns == 200) and "errored" in screen
    coloured = shown.screen(colours=True)
    assert "\x1b[32monline" in coloured and "\x1b[31merrored" in coloured
