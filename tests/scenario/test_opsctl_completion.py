"""Completion at a real prompt of each shell, and the manual: both are made of the tables that the
programs read."""
import os
import re
import shlex
import subprocess
import time

import pytest

from supervisor import BIN, fleet, sh  # noqa: F401
from terminal import terminal  # noqa: F401

BUILT = BIN.parent


def words(fleet, *line, **more):
    """What is offered for the last word of the line."""
    got = fleet.opsctl("completion", "words", "--", "--home", fleet.home, *line, **more)
    assert got.returncode == 0 and not got.stderr
    return [text.split("\t")[0] for text in got.stdout.splitlines()]


@pytest.fixture
def shop(fleet):
    fleet.apps(sh("exec sleep 1000", "billing", namespace="shop", instances=2),
               sh("exec sleep 1000", "bot", namespace="chat", autostart=False))
    return fleet


CASES = [
    (["resta"], ["restart"]), (["work"], ["workers_stat"]), (["restart", "b"], ["billing", "bot"]),
    (["restart", "s"], ["shop"]), (["stop", "billing", "a"], ["all"]), (["restart", "--w"], ["--wait"]),
    (["run_worker", ""], ["shop", "chat"]), (["run_worker", "chat", ""], ["bot"]),
    (["signal", "US"], ["USR1", "USR2"]), (["signal", "HUP", "bo"], ["bot"]), (["scale", "bot", ""], []),
    (["help", "unst"], ["unstartup"]), (["completion", "z"], ["zsh"]), (["check", ""], [":files"]),
    (["logs", "-n", ""], []), (["describe", "bot", ""], []), (["generate_f"], ["generate_field_encryption_key"]),
    (["start", "bi"], [":files", "billing"]), (["--json", "pi"], ["pid", "ping"]), (["jobs", "x"], [":files"]),
    (["start", "x.sh", "--", ""], [":files"]),
]


@pytest.mark.parametrize("line, offered", CASES, ids=lambda v: " ".join(v))
def test_what_is_offered(shop, line, offered):
    """Without opsd the names are the manifest's; with it they are its own."""
    assert words(shop, *line) == offered
    shop.start()
    assert words(shop, *line) == offered


def test_instances_are_opsds(shop):
    shop.start()
    assert words(shop, "stop", "billing:") == ["billing:0", "billing:1"]


def test_every_word_that_is_offered_has_a_meaning(shop):
    for word in words(shop, ""):
        assert fleet_help(shop, word) == 0, word
    for word in words(shop, "logs", "-"):
        got = shop.opsctl("help", "logs")
        assert word in got.stdout


def fleet_help(shop, word):
    return shop.opsctl("help", word).returncode


def test_an_opsd_that_does_not_answer_is_not_waited_for(shop):
    shop.start()
    os.kill(shop.pid, 19)  # SIGSTOP: its guard holds the socket on
    try:
        begin = time.monotonic()
        assert words(shop, "stop", "b") == ["billing", "bot"]
        assert time.monotonic() - begin < 2  # 100 ms, and a machine with much to do
    finally:
        for pid in shop.opsds():
            os.kill(pid, 18)


def prompt(terminal, shop, *shell, rc):
    shown = terminal(100, 20).run(*shell, cwd=shop.folder, PATH=f"{BIN}:{os.environ['PATH']}",
                                  HOME=str(shop.top), OPS_HOME=str(shop.home), PS1="READY> ")
    shown.wait("READY>")
    shown.keys(rc + "; clear", "Enter")
    shown.wait_not("clear")
    shown.wait("READY>")
    return shown


def type_and_see(shown, typed, completed):
    """completed ends where the cursor then is."""
    shown.keys("-l", typed)
    shown.keys("Tab")
    shown.keys("-l", "^")
    shown.wait(f"READY> {completed}^")
    shown.keys("C-u")
    shown.wait_not(completed.strip())


def test_bash_completes_at_a_prompt(shop, terminal):
    shop.start()
    shown = prompt(terminal, shop, "bash", "--norc", "--noprofile", "-i",
                   rc=f"source {BUILT}/completion/opsctl.bash")
    type_and_see(shown, "opsctl resta", "opsctl restart ")
    type_and_see(shown, "opsctl stop bil", "opsctl stop billing ")
    type_and_see(shown, "opsctl stop billing:1", "opsctl stop billing:1 ")
    type_and_see(shown, "opsctl restart --wa", "opsctl restart --wait ")
    type_and_see(shown, "opsctl check eco", "opsctl check ecosystem.json ")


def test_zsh_completes_at_a_prompt(shop, terminal):
    """The file has another name where zsh looks for it."""
    (shop.top / "zsh").mkdir()
    (shop.top / "zsh" / "_opsctl").symlink_to(BUILT.resolve() / "completion" / "opsctl.zsh")
    shop.start()
    shown = prompt(terminal, shop, "zsh", "-f", "-i",
                   rc=f"fpath=({shop.top}/zsh $fpath); autoload -Uz compinit; compinit -u -D")
    type_and_see(shown, "opsctl resta", "opsctl restart ")
    type_and_see(shown, "opsctl stop bil", "opsctl stop billing ")


def test_fish_knows_the_words(shop):
    shop.start()
    script = f"source {BUILT}/completion/opsctl.fish; complete -C {shlex.quote('opsctl stop b')}"
    got = subprocess.run(["fish", "--no-config", "-c", script], cwd=shop.folder, text=True, capture_output=True,
                         timeout=60, env={**shop.environment(), "PATH": f"{BIN}:{os.environ['PATH']}",
                                          "HOME": str(shop.top), "OPS_HOME": str(shop.home)})
    assert [line.split("\t")[0] for line in got.stdout.splitlines()] == ["billing", "bot"], got.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_scripts_are_good_shell(shell):
    script = BUILT / "completion" / f"opsctl.{shell}"
    checked = subprocess.run([shell, "-n", script], capture_output=True, text=True)
    assert checked.returncode == 0 and not checked.stderr
    said = subprocess.run([BIN / "opsctl", "completion", shell], capture_output=True, text=True)
    assert said.stdout == script.read_text()


# --- the manual

PAGES = ["opsctl.1", "opsd.8", "ecosystem.json.5"]


def rendered(page):
    """As man(1) shows it, in plain text."""
    got = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", BUILT / "man" / page], capture_output=True,
                         text=True, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "200", "MANPAGER": "cat"})
    assert got.returncode == 0 and not got.stderr, got.stderr
    return re.sub(r".\x08", "", got.stdout).replace("‐", "-").replace("−", "-")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_good_markup(page):
    assert not re.search("@[A-Z]+@", (BUILT / "man" / page).read_text())
    linted = subprocess.run(["mandoc", "-Tlint", "-W", "warning", BUILT / "man" / page],
                            capture_output=True, text=True)
    assert linted.returncode == 0, linted.stdout


def test_the_manual_has_every_command_with_its_arguments():
    text = rendered("opsctl.1")
    listed = subprocess.run([BIN / "opsctl", "help"], capture_output=True, text=True).stdout
    own = re.findall(r"^  (\w+) ", listed.split("commands of ")[0], re.M)
    assert len(own) > 25
    for word in own:
        usage = subprocess.run([BIN / "opsctl", "help", word], capture_output=True, text=True).stdout
        wanted = usage.splitlines()[0].removeprefix("usage: opsctl ")
        assert " ".join(wanted.split()) in " ".join(text.split()), wanted


def test_the_manual_has_every_field():
    text = rendered("ecosystem.json.5")
    fields = subprocess.run([BIN / "opsctl", "help", "manifest"], capture_output=True, text=True).stdout
    names = re.findall(r"^([a-z_*]+)(?: \(or|:)", fields, re.M)
    assert len(names) > 60 and all(re.search(rf"^ +{re.escape(name)}$|^ +{re.escape(name)} ", text, re.M)
                                   for name in names)


def test_the_manual_has_the_options_of_opsd():
    usage = subprocess.run([BIN / "opsd", "--help"], capture_output=True, text=True)
    options = set(re.findall(r"--[a-z-]+", usage.stdout + usage.stderr))
    assert options and options == set(re.findall(r"--[a-z-]+", rendered("opsd.8")))
