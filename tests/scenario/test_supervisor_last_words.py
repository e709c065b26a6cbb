"""What a worker prints last is in its log when opsd says that it has ended, however much that is.

A worker that is asked to stop prints a megabyte at once, which is as much as a pipe holds, and is
gone: nothing but the pipe has it then. Another one prints all the time, so that opsd lets lines
gather and would look at the pipes some milliseconds too late. OPS_ROUNDS=200 stops it so often.
"""
import os
import re
import signal

import pytest

from supervisor import SANITIZED, fleet, is_alive, py, wait_until  # noqa: F401

ROUNDS = int(os.environ.get("OPS_ROUNDS", 3 if SANITIZED else 8))
LINES, LINE = 10_000, 100
LAST_WORDS = b"".join(b"%0*d\n" % (LINE - 1, n) for n in range(LINES))

# The signal waits until it is asked for: a handler would break into a print that is under way.
PARROT = f"""
signal.pthread_sigmask(signal.SIG_BLOCK, {{signal.SIGINT}})
words = b''.join(b'%0{LINE - 1}d\\n' % n for n in range({LINES}))
os.write(1, b'ready\\n')
signal.sigwait({{signal.SIGINT}})
os.write(1, words)
os._exit(3)"""
CHATTER = py("while True: os.write(1, b'.\\n'); time.sleep(0.0003)", "chatter", out_file="/dev/null")
PATIENT = {"log_max_size": 0, "kill_timeout": 60000}
FORMS = {
    "raw": {},
    "time": {"log_date_format": "HH:mm:ss.SSS"},
    "json": {"log_type": "json"},
}
AROUND = {
    "raw": rb"",
    "time": rb"\d\d:\d\d:\d\d\.\d\d\d: ",
    "json": rb'{"timestamp":"[^"]*","type":"out","process_id":\d+,"app_name":"w","message":"',
}


def said(fleet, form):  # noqa: F811
    """The lines in the log as they were printed."""
    text = re.sub(rb"^" + AROUND[form], b"", fleet.log("w"), flags=re.M)
    return re.sub(rb'"}$', b"", text, flags=re.M) if form == "json" else text


def empty(fleet):  # noqa: F811
    os.truncate(fleet.folder / "logs" / "w-out.log", 0)


@pytest.mark.parametrize("form", FORMS)
def test_the_last_words_are_there_when_a_stop_is_answered(fleet, form):  # noqa: F811
    fleet.apps(CHATTER, py(PARROT, **PATIENT, **FORMS[form]))
    fleet.start()
    with fleet.connect() as client:
        for _ in range(ROUNDS):
            wait_until(lambda: said(fleet, form) == b"ready\n")
            assert client.call("stop", names=["w"])["workers"][0]["state"] == "stopped"
            assert said(fleet, form) == b"ready\n" + LAST_WORDS
            empty(fleet)
            client.call("start", names=["w"])
        wait_until(lambda: said(fleet, form) == b"ready\n")
        client.call("delete", names=["w"])
        assert said(fleet, form) == b"ready\n" + LAST_WORDS


def test_the_last_words_come_before_the_first_of_the_next(fleet):  # noqa: F811
    fleet.apps(CHATTER, py(PARROT, **PATIENT))
    fleet.start()
    with fleet.connect() as client:
        for n in range(ROUNDS):
            before = (b"ready\n" + LAST_WORDS) * n + b"ready\n"
            wait_until(lambda: fleet.log("w") == before)
            client.call("restart", names=["w"])
            assert fleet.log("w") in (before + LAST_WORDS, before + LAST_WORDS + b"ready\n")


def test_the_record_of_an_exit_has_the_last_words(fleet):  # noqa: F811
    fleet.apps(CHATTER, py(PARROT, **PATIENT, stop_exit_codes=[3]))
    fleet.start()
    with fleet.connect() as client:
        for _ in range(ROUNDS):
            wait_until(lambda: fleet.log("w") == b"ready\n")
            os.kill(fleet.row("w")["pid"], signal.SIGINT)
            fleet.wait_state("w", "stopped")
            exit = client.call("describe", name="w")["workers"][0]["exits"][0]
            assert exit["lines"][-1] == LAST_WORDS[-LINE:-1].decode()
            assert fleet.log("w") == b"ready\n" + LAST_WORDS
            empty(fleet)
            client.call("start", names=["w"])


def test_who_is_spared_and_holds_the_pipe_holds_up_nothing(fleet):  # noqa: F811
    """It may print for ever: what was there when its parent had ended is what is waited for."""
    fleet.apps(CHATTER, py(f"""
if os.fork() == 0:
  os.setsid()
  signal.signal(signal.SIGINT, signal.SIG_IGN)
  open('spared.new', 'w').write(str(os.getpid()))
  os.rename('spared.new', 'spared')
  while True: time.sleep(1000)
while not os.path.exists('spared'): time.sleep(0.001)
{PARROT}""", treekill=False, **PATIENT))
    fleet.start()
    wait_until(lambda: fleet.log("w") == b"ready\n")
    with fleet.connect() as client:
        client.call("stop", names=["w"])
        assert fleet.log("w") == b"ready\n" + LAST_WORDS
    pid = int(fleet.file("spared").read_text())
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
