"""opsctl delete, scale, reload, diff, apply, start FILE and start SCRIPT, against the real opsd."""
import json
import os

import pytest

from conformance_fleet import home, is_alive, wait_until  # noqa: F401
from supervisor import py, sh

FOREVER = "exec sleep 1000"


def begin(home, *apps, **more):
    home.apps(*apps, **more)
    home.start()
    wait_until(lambda: all(r["state"] == "online" for r in home.rows() if r["wanted"] == "up"))
    return home


def pids(home):
    return {(r["name"], r["instance"]): r["pid"] for r in home.rows()}


def names(home):
    return sorted({r["name"] for r in home.rows()})


@pytest.mark.parametrize("words", [("delete", "NAME"), ("scale", "NAME", "2"), ("reload", "NAME")],
                         ids=lambda w: w[0])
def test_s63_an_unknown_worker(home, words):
    begin(home, sh(FOREVER, "billing"))
    got = home.opsctl(*("biling" if w == "NAME" else w for w in words))
    assert got.returncode == 4 and 'did you mean "billing"?' in got.stderr


@pytest.mark.parametrize("words", [("delete", "w"), ("scale", "w", "2"), ("reload", "w"), ("diff",),
                                   ("apply",)], ids=lambda w: w[0])
def test_s64_without_a_daemon(home, words):
    home.apps(sh(FOREVER))
    got = home.opsctl(*words)
    assert got.returncode == 3 and "not running" in got.stderr and not home.own()


# --- delete


def test_delete_is_a_stop_and_out_of_the_list(home):
    begin(home, sh(FOREVER), sh(FOREVER, "other"))
    pid = home.row("w")["pid"]
    got = home.opsctl("delete", "w")
    assert (got.returncode, got.stdout) == (0, "w deleted\n"), got.stderr
    assert not is_alive(pid) and names(home) == ["other"]
    assert home.opsctl("stop", "w").returncode == 4
    # for good, whatever is started beside it, and whoever comes next
    home.opsctl("restart", "other")
    home.await_pair(*home.kill("supervisor"))
    assert names(home) == ["other"]
    # until it is asked for
    assert home.opsctl("start", "w").returncode == 0
    assert names(home) == ["other", "w"] and home.state("w") == "online"


def test_delete_all_and_start_all(home):
    begin(home, sh(FOREVER, instances=3), sh(FOREVER, "other"))
    got = home.opsctl("delete", "all", "--json")
    assert sorted(json.loads(got.stdout)["deleted"]) == ["other", "w", "w", "w"] or \
        sorted(json.loads(got.stdout)["deleted"]) == ["other", "w"]
    assert home.rows() == [] and not home.processes()
    assert home.opsctl("start", "all").returncode == 0
    assert names(home) == ["other", "w"] and len(home.processes()) == 4


def test_delete_takes_whole_workers(home):
    begin(home, sh(FOREVER, instances=2))
    got = home.opsctl("delete", "w:1")
    assert got.returncode == 2 and "opsctl scale w N" in got.stderr
    assert len(home.processes()) == 2


# --- scale


def test_scale_up_and_down(home):
    begin(home, sh(FOREVER), sh(FOREVER, "other"))
    first = home.row("w")["pid"]
    for count, left in (("3", 3), ("+2", 5), ("-1", 4), ("2", 2), ("1", 1)):
        got = home.opsctl("scale", "w", count)
        assert got.returncode == 0, got.stderr
        rows = [r for r in home.rows() if r["name"] == "w"]
        assert [r["instance"] for r in rows] == list(range(left))
        assert all(r["state"] == "online" for r in rows)
        assert len(got.stdout.splitlines()) == left
        assert len(home.processes()) == left + 1
    assert home.row("w")["pid"] == first
    home.opsctl("scale", "w", "2")
    home.await_pair(*home.kill("supervisor"))
    assert len([r for r in home.rows() if r["name"] == "w"]) == 2


def test_what_was_deleted_comes_back_as_the_manifest_has_it(home):
    begin(home, sh(FOREVER, instances=2))
    for command in (["scale", "w", "3"], ["delete", "w"], ["start", "w"]):
        assert home.opsctl(*command).returncode == 0
    assert len(home.rows()) == len(home.processes()) == 2


def test_scale_refuses(home):
    begin(home, sh(FOREVER))
    pid = home.row("w")["pid"]
    for count, code in (("0", 1), ("-1", 1), ("x", 2), ("", 2), ("+", 2), ("1.5", 2), ("99999", 2)):
        got = home.opsctl("scale", "w", count)
        assert got.returncode == code and "want" in got.stderr, (count, got.stderr)
    assert home.processes() == [pid]


# --- reload


READY = "while os.path.exists('hold'): time.sleep(0.005)\ntell('READY=1'); time.sleep(1000)"


def test_reload_has_the_new_one_ready_before_the_old_one_leaves(home):
    begin(home, py(READY, ready="notify", listen_timeout="1h"))
    old = home.row("w")
    home.file("hold").touch()
    reload = home.opsctl_background("reload", "w")
    wait_until(lambda: len(home.processes()) == 2)
    assert home.row("w")["pid"] == old["pid"] and reload.poll() is None
    home.file("hold").unlink()
    out, err = reload.communicate(timeout=20)
    assert (reload.returncode, out, err) == (0, b"w online\n", b"")
    new = home.row("w")
    assert new["pid"] != old["pid"] and new["id"] == old["id"] and not is_alive(old["pid"])
    assert home.processes() == [new["pid"]]


def test_reload_that_never_gets_ready_leaves_the_old_one(home):
    begin(home, py("if not os.path.exists('bad'): tell('READY=1')\ntime.sleep(1000)", ready="notify",
                   listen_timeout=2000, kill_timeout=200))
    pid = home.row("w")["pid"]
    home.file("bad").touch()
    got = home.opsctl("reload", "w")
    assert got.returncode == 1 and got.stdout == "" and "not reloaded" in got.stderr
    assert home.row("w")["pid"] == pid and home.state("w") == "online"
    wait_until(lambda: home.processes() == [pid])
    # the next try is one, once opsd knows that the last one's process is gone
    home.file("bad").unlink()
    again = wait_until(lambda: (got := home.opsctl("reload", "w")) and "in progress" not in got.stderr and got)
    assert again.returncode == 0, again.stderr
    assert home.row("w")["pid"] != pid


def test_s23_a_second_reload_is_refused(home):
    begin(home, py(READY, ready="notify", listen_timeout="1h"))
    home.file("hold").touch()
    first = home.opsctl_background("reload", "w")
    wait_until(lambda: len(home.processes()) == 2)
    got = home.opsctl("reload", "w")
    assert got.returncode == 1 and "reload in progress" in got.stderr
    home.file("hold").unlink()
    first.communicate(timeout=20)
    assert first.returncode == 0 and len(home.processes()) == 1


def test_reload_of_what_does_not_run_starts_it(home):
    begin(home, sh(FOREVER, autostart=False))
    assert home.opsctl("reload", "w").returncode == 0
    assert home.state("w") == "online"


def test_reload_of_what_is_in_back_off_waits_until_it_is_ready(home):
    begin(home, py("if not os.path.exists('good'): raise SystemExit(3)\ntime.sleep(.5); tell('READY=1')\n"
                   "time.sleep(1000)", ready="notify", restart_delay=600_000, autostart=False))
    home.opsctl("start", "w")
    wait_until(lambda: home.state("w") == "waiting restart")
    got = home.opsctl("reload", "w")
    assert got.returncode == 1 and got.stdout == "" and "exited with code 3" in got.stderr
    home.file("good").touch()
    got = home.opsctl("reload", "w")
    assert (got.returncode, got.stdout) == (0, "w online\n"), got.stderr
    assert home.row("w")["ready"]


def test_reload_of_all_leaves_out_what_is_not_to_be_started(home):
    begin(home, sh(FOREVER), sh(FOREVER, "off", autostart=False))
    assert home.opsctl("reload", "all").stdout == "w online\n"
    assert home.state("off") == "stopped"
    assert home.opsctl("reload", "off").returncode == 0 and home.state("off") == "online"


def test_a_reloaded_worker_keeps_its_place(home):
    begin(home, sh(FOREVER, "a"), sh(FOREVER, "b", instances=2), sh(FOREVER, "c"))
    before = [(r["id"], r["name"], r["instance"]) for r in home.rows()]
    assert home.opsctl("reload", "a", "b:0").returncode == 0
    assert [(r["id"], r["name"], r["instance"]) for r in home.rows()] == before


# --- a file in the place of names, as in PM2


def test_a_file_stands_for_the_workers_in_it(home):
    begin(home, sh(FOREVER), sh(FOREVER, "off", autostart=False))
    other = home.file("more.json")
    other.write_text(json.dumps([sh(FOREVER, "one"), sh(FOREVER, "two")]))
    got = home.opsctl("restart", other)
    assert got.returncode == 4 and got.stderr == (
        f"opsctl: no worker comes from {other}; opsctl start {other}\n")
    assert home.opsctl("start", other).returncode == 0
    for command, untouched in (("restart", {"w"}), ("reload", {"w"})):
        before = pids(home)
        got = home.opsctl(command, "more.json")
        assert sorted(got.stdout.splitlines()) == ["one online", "two online"], got.stderr
        assert {name for (name, _), pid in pids(home).items() if pid and pid == before[name, 0]} == untouched
    assert {r["name"] for r in json.loads(home.opsctl("stat", other, "--json").stdout)["workers"]} == {"one", "two"}
    assert sorted(home.opsctl("stop", other).stdout.splitlines()) == ["one stopped", "two stopped"]
    assert home.opsctl("delete", other).returncode == 0 and names(home) == ["off", "w"]
    # the manifest is a file, too; what is not to be started with the others is not
    assert home.opsctl("restart", home.manifest).stdout == "w online\n"


def test_a_completed_worker_that_is_stopped_is_stopped(home):
    home.apps(sh("exit 0", autorestart=False))
    home.start()
    wait_until(lambda: home.row("w")["completed"])
    assert home.opsctl("stop", "w").stdout == "w stopped\n"
    assert home.row("w")["completed"] is False


# --- diff and apply


def test_diff_says_what_apply_does(home):
    begin(home, sh(FOREVER, "same"), sh(FOREVER, "changed"), sh(FOREVER, "gone"), sh(FOREVER, "live"))
    before = pids(home)
    assert home.opsctl("diff").stdout == "nothing would change\n"
    assert home.opsctl("apply").stdout == "nothing changed\n"
    home.apps(sh(FOREVER, "same"), sh("exec sleep 999", "changed"), sh(FOREVER, "new"),
              sh(FOREVER, "live", max_restarts=7))
    shown = home.opsctl("diff")
    assert sorted(shown.stdout.splitlines()) == ["gone     gone", "live     live (max_restarts)",
                                                 "new      new", "restart  changed (args)"]
    assert pids(home) == before
    changes = json.loads(home.opsctl("diff", "--json").stdout)["changes"]
    assert {c["name"]: c["change"] for c in changes} == {
        "gone": "gone", "live": "live", "new": "new", "changed": "restart"}
    done = home.opsctl("apply")
    assert (done.returncode, sorted(done.stdout.splitlines())) == (0, sorted(shown.stdout.splitlines()))
    after = pids(home)
    assert names(home) == ["changed", "live", "new", "same"]
    assert all(r["state"] == "online" for r in home.rows())
    assert after["same", 0] == before["same", 0] and after["live", 0] == before["live", 0]
    assert after["changed", 0] != before["changed", 0] and not is_alive(before["gone", 0])
    assert home.opsctl("diff").stdout == "nothing would change\n"


def test_apply_of_something_that_cannot_be_started_says_so(home):
    begin(home, sh(FOREVER))
    pid = home.row("w")["pid"]
    home.apps(sh(FOREVER), {"name": "bad", "script": "/no/such/program"})
    got = home.opsctl("apply")
    assert got.returncode == 1 and "bad errored" in got.stderr and "/no/such/program" in got.stderr
    assert home.row("w")["pid"] == pid


def test_s49_a_broken_manifest_is_refused_by_both(home):
    begin(home, sh(FOREVER))
    before = pids(home)
    home.manifest.write_text('[{"name": "w", "script": "sh",\n "max_restarts": "ten"}]')
    for word in ("diff", "apply"):
        got = home.opsctl(word)
        assert got.returncode == 1 and "max_restarts" in got.stderr and "line 2" in got.stderr
    assert pids(home) == before


# --- start FILE.json


def other_file(home, *apps, name="other.json"):
    folder = home.top / "elsewhere"
    folder.mkdir(exist_ok=True)
    key, value = home.mark.split("=")
    path = folder / name
    path.write_text(json.dumps([{**app, "env": {key: value, **app.get("env", {})}} for app in apps]))
    return path


def test_start_of_another_file(home):
    begin(home, sh(FOREVER))
    path = other_file(home, sh("pwd; " + FOREVER, "a"), sh(FOREVER, "b"))
    pid = home.row("w")["pid"]
    got = home.opsctl("start", path.name, cwd=path.parent)
    assert (got.returncode, sorted(got.stdout.splitlines())) == (0, ["a online", "b online"]), got.stderr
    assert names(home) == ["a", "b", "w"] and home.row("w")["pid"] == pid
    wait_until(lambda: home.lines("a") == [str(path.parent)])
    # twice is once, and the next supervisor knows them too
    before = pids(home)
    assert home.opsctl("start", path).returncode == 0
    home.await_pair(*home.kill("supervisor"))
    assert pids(home) == before
    assert home.opsctl("restart", "a").returncode == 0


def test_start_of_some_of_a_file(home):
    begin(home, sh(FOREVER))
    path = other_file(home, sh(FOREVER, "a"), sh(FOREVER, "b"), sh(FOREVER, "c"))
    assert home.opsctl("start", path, "--only", "a,c").returncode == 0
    assert names(home) == ["a", "c", "w"]
    got = home.opsctl("start", path, "--only", "x,b")
    assert got.returncode == 1 and 'no worker "x"' in got.stderr and names(home) == ["a", "c", "w"]


def test_start_of_some_of_the_manifest_forgets_nothing_of_it(home):
    home.apps(sh(FOREVER, "a"), sh(FOREVER, "b"))
    home.start("--no-start")
    assert home.opsctl("start", home.manifest, "--only", "a").returncode == 0
    assert names(home) == ["a", "b"] and home.state("b") == "stopped"


def test_start_with_an_environment_of_the_file(home):
    begin(home, sh(FOREVER))
    path = other_file(home, {**sh("echo $MODE; " + FOREVER, "a"), "env": {"MODE": "plain"},
                             "env_production": {"MODE": "prod"}})
    assert home.opsctl("start", path, "--env", "production").returncode == 0
    wait_until(lambda: home.lines("a") == ["prod"])


def modes(*names):
    return [{**sh("echo $MODE; " + FOREVER, name), "env": {"MODE": "plain"}, "env_a": {"MODE": "a"}}
            for name in names]


def test_start_all_with_an_environment_of_the_manifest(home):
    home.apps(*modes("v", "w", "x"))
    assert home.opsctl("start", "all", "--only", "v,w", "--env", "a").returncode == 0
    wait_until(lambda: home.lines("v") == home.lines("w") == ["a"])
    assert home.state("x") == "stopped"
    # until it is told otherwise, whoever runs the fleet
    home.await_pair(*home.kill("supervisor"))
    assert home.opsctl("restart", "v").returncode == 0
    got = home.opsctl("restart", "w", "--env", "b")
    assert (got.returncode, "no app has variables of that name" in got.stderr) == (0, True), got.stderr
    wait_until(lambda: home.lines("v") == ["a", "a"] and home.lines("w") == ["a", "plain"])
    assert home.opsctl("start", "all", "--only", "v,y").returncode == 4


def test_an_environment_that_is_part_of_the_name(home):
    """As PM2's: what runs under one name goes on beside the other."""
    home.apps(*({**app, "append_env_to_name": True} for app in modes("web", "mail")))
    assert home.opsctl("start", "all", "--env", "a").returncode == 0
    assert names(home) == ["mail-a", "web-a"] and len(home.processes()) == 2
    home.opsctl("stop", "mail-a")
    got = home.opsctl("start", "mail-a", "--env", "b")
    assert got.returncode == 4 and 'did you mean "mail-b"?' in got.stderr
    assert home.state("web-a") == "online" and names(home) == ["mail-b", "web-a", "web-b"]


def test_only_the_file_of_a_worker_gets_another_environment(home):
    home.apps(*modes("w"))
    home.start()
    assert home.opsctl("start", other_file(home, *modes("v"))).returncode == 0
    wait_until(lambda: home.lines("v") == home.lines("w") == ["plain"])
    assert home.opsctl("restart", "v", "--env", "a").returncode == 0
    assert home.opsctl("reload", "w").returncode == 0
    wait_until(lambda: home.lines("v") == ["plain", "a"] and home.lines("w") == ["plain"] * 2)


def test_a_file_that_is_wrong_changes_nothing(home):
    begin(home, sh(FOREVER))
    path = other_file(home)
    path.write_text('[{"name": "a", "script": "sh",\n "max_restart": 1}]')
    got = home.opsctl("start", path)
    assert got.returncode == 1 and "max_restarts" in got.stderr and str(path) in got.stderr
    got = home.opsctl("start", path.with_name("gone.json"))
    assert got.returncode == 1 and "No such file" in got.stderr
    assert names(home) == ["w"]


# --- start SCRIPT


@pytest.fixture
def script(home):
    path = home.file("job.sh")
    path.write_text('#!/bin/sh\necho "$# $1 $2 $SHELL_SAID $PWD"\nexec sleep 1000\n')
    path.chmod(0o755)
    return path


def shell(home, **more):
    return {"env": home.environment(**more)}


def test_start_of_a_script(home, script):
    begin(home, sh(FOREVER))
    got = home.opsctl("start", "./job.sh", "--", "a b", "-x", **shell(home, SHELL_SAID="hello"))
    assert (got.returncode, got.stdout) == (0, "job online\n"), got.stderr
    wait_until(lambda: home.lines("job") == [f"2 a b -x hello {home.folder}"])
    pid = home.row("job")["pid"]
    # twice is once
    assert home.opsctl("start", "./job.sh", "--", "a b", "-x", **shell(home)).returncode == 0
    assert home.row("job")["pid"] == pid
    # it survives, and what was started as it was, too
    home.await_pair(*home.kill("supervisor"))
    assert home.row("job")["pid"] == pid
    home.opsctl("restart", "job", **shell(home, SHELL_SAID="other"))
    wait_until(lambda: len(home.lines("job")) == 2)
    assert home.opsctl("delete", "job").returncode == 0
    assert names(home) == ["w"]


def test_the_environment_of_a_script_is_the_latest_that_was_asked_for(home, script):
    begin(home, sh(FOREVER))

    def said(lines):
        """Online is not yet as far as its first line."""
        return wait_until(lambda: len(home.lines("job")) == lines and home.lines("job"))

    home.opsctl("start", "./job.sh", **shell(home, SHELL_SAID="first"))
    said(1)
    home.opsctl("restart", "job", "--update-env", **shell(home, SHELL_SAID="second"))
    assert [line.split()[1] for line in said(2)] == ["first", "second"]
    assert home.opsctl("diff").stdout == "nothing would change\n"
    home.opsctl("restart", "job", "--update-env", **shell(home))
    said(3)
    home.opsctl("delete", "job")
    home.opsctl("start", "./job.sh", **shell(home, SHELL_SAID="third"))
    assert [line.split()[1:-1] for line in said(4)[2:]] == [[], ["third"]]


def test_which_words_are_scripts(home, script):
    begin(home, sh(FOREVER))
    for words, name in ((["job.sh"], "job"), ([script, "--name", "second"], "second"),
                        (["sleep", "--name", "nap", "--", "1000"], "nap"), (["sleep", "--", "999"], "sleep")):
        got = home.opsctl("start", *words)
        assert got.returncode == 0 and got.stdout == f"{name} online\n", (words, got.stderr)
    assert names(home) == ["job", "nap", "second", "sleep", "w"]
    assert home.opsctl("start", "job").returncode == 0
    got = home.opsctl("start", "nosuch.sh")
    assert got.returncode == 4 and "nor is there a file nosuch.sh here" in got.stderr
    got = home.opsctl("start", "./nosuch.sh")
    assert got.returncode == 1 and "nosuch.sh" in got.stderr


def test_a_script_takes_nobodys_place(home, script):
    begin(home, sh(FOREVER, "job"))
    pid = home.row("job")["pid"]
    got = home.opsctl("start", "./job.sh")
    assert got.returncode == 1 and "--name" in got.stderr and str(home.manifest) in got.stderr
    assert home.row("job")["pid"] == pid and home.processes() == [pid]


@pytest.mark.parametrize("words, says", [
    (["a.json", "b.json"], "one file at a time"), (["./a", "b"], "one file at a time"),
    (["a", "--only", "b"], "--only is for all, or a file"),
    (["all", "a", "--only", "b"], "--only is for all, or a file"),
    (["./a", "--only", "b"], "--only and --env are for what a file"),
    (["./a", "--env", "b"], "--only and --env are for what a file"),
    (["a.json", "--name", "b"], "--name is for a script"),
    (["a.json", "--", "b"], "words after -- are for a script"),
    (["a", "--name="], "--name: want NAME")])
def test_words_that_do_not_go_together(home, words, says):
    got = home.opsctl("start", *words)
    assert got.returncode == 2 and says in got.stderr and not home.own()


# --- the shell's environment


def test_update_env_is_for_those_who_ask(home):
    begin(home, sh("echo $SHELL_SAID; " + FOREVER), sh("echo $SHELL_SAID; " + FOREVER, "v"))
    wait_until(lambda: home.lines("v") == home.lines("w") == [""])
    home.opsctl("restart", "w", **shell(home, SHELL_SAID="no"))
    wait_until(lambda: home.lines("w") == ["", ""])
    home.opsctl("restart", "w", "--update-env", **shell(home, SHELL_SAID="yes"))
    wait_until(lambda: home.lines("w") == ["", "", "yes"])
    home.opsctl("restart", "all")
    wait_until(lambda: home.lines("w") == ["", "", "yes", "yes"] and home.lines("v") == ["", ""])
    home.await_pair(*home.kill("supervisor"))
    home.opsctl("restart", "w")
    wait_until(lambda: home.lines("w") == ["", "", "yes", "yes", "yes"])
