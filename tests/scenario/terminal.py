"""A real terminal of any size: tmux, with a server of the test's own."""
import os
import shlex
import shutil
import subprocess

import pytest

from supervisor import DEADLINE_S, wait_until


class Terminal:
    def __init__(self, folder, columns=80, rows=24):
        self.socket = folder / "tmux"
        self.columns, self.rows = columns, rows

    def tmux(self, *words):
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "COLUMNS", "NO_COLOR"))}
        # SIGHUP would end LeakSanitizer's own process, for which a program that leaves waits for ever.
        environment["ASAN_OPTIONS"] = "detect_leaks=0"
        return subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", *map(str, words)],
                              env={**environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=DEADLINE_S)

    def run(self, *words, cwd="/", **env):
        """A shell that runs the command, and then says what it came to."""
        command = " ".join([*(f"{k}={shlex.quote(v)}" for k, v in env.items()), shlex.join(map(str, words))])
        done = self.tmux("new-session", "-d", "-x", self.columns, "-y", self.rows, "-c", cwd,
                         f"trap : INT QUIT; echo before; {command}; echo ended with $?; exec cat")
        assert done.returncode == 0, done.stderr
        return self

    def screen(self, colours=False):
        return self.tmux("capture-pane", "-p", *(["-e"] if colours else [])).stdout

    def lines(self):
        return self.screen().splitlines()

    def wait(self, text, seconds=DEADLINE_S):
        """The screen, once it shows text."""
        try:
            return wait_until(lambda: text in (now := self.screen()) and now, seconds)
        except pytest.fail.Exception:
            pytest.fail(f"no {text!r} within {seconds} s on:\n{self.screen()}")

    def wait_not(self, text, seconds=DEADLINE_S):
        wait_until(lambda: text not in self.screen(), seconds, f"{text!r} leaves the screen")

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def resize(self, columns, rows):
        self.tmux("resize-window", "-x", columns, "-y", rows)

    def modes(self):
        """Whether the other screen is shown, and the cursor: after a program everything is as before."""
        return self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").stdout.split()

    def pids(self, name):
        """Of programs of that name in the terminal."""
        top = self.tmux("display-message", "-p", "#{pane_pid}").stdout.strip()
        listed = subprocess.run(["pgrep", "-P", top, "-f", name], capture_output=True, text=True).stdout
        return [int(pid) for pid in listed.split()]

    def end(self):
        self.tmux("kill-server")


@pytest.fixture
def terminal(tmp_path):
    made = []

    def make(columns=80, rows=24):
        made.append(Terminal(tmp_path, columns, rows))
        return made[-1]

    assert shutil.which("tmux"), "install tmux: scripts/packages test"
    yield make
    for one in made:
        one.end()
