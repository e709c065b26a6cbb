"""Management commands: `opsctl NAME` runs the binary of that name from libexec."""
import json
import os
import re
import shutil
import subprocess

import pytest

from supervisor import BIN, ROOT, Fleet, fleet  # noqa: F401

# What a command saw: its words, its folder, and the variables that the tests set.
SEEN = """#!/bin/sh
printf '%s\\n' "words:$*" "cwd:$PWD" "home:$OPS_HOME"
env | grep '^T_' | sort
exit 7
"""


def describe(name, app, about="does things"):
    return {"name": name, "app": app, "kind": "command", "about": about, "arguments": "ID"}


class Install:
    """An opsctl of its own with commands of its own beside it."""

    def __init__(self, folder, libexec="libexec"):
        self.opsctl, self.libexec = folder / "bin" / "opsctl", folder / libexec
        self.opsctl.parent.mkdir()
        self.libexec.mkdir(parents=True)
        shutil.copy(BIN / "opsctl", self.opsctl)
        self.index(describe("show", "shop"), describe("jobs", "main"))
        for name in ("show", "jobs"):
            self.add(name)

    def index(self, *entries):
        (self.libexec / "commands.json").write_text(json.dumps(entries))

    def add(self, name):
        path = self.libexec / name
        path.write_text(SEEN)
        path.chmod(0o755)

    def __call__(self, *words, cwd, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("OPS_", "T_"))}
        return subprocess.run([self.opsctl, *words], cwd=cwd, env={**clean, **env},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20)


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "ecosystem.json").write_text(json.dumps({"apps": [
        {"name": "one", "namespace": "shop", "script": "sh", "env_file": "one.env",
         "env": {"T_APP": "app", "T_SHELL": "app", "T_OWN": "one"}},
        {"name": "two", "namespace": "shop", "script": "sh", "env": {"T_OWN": "two", "T_FILE": "app"}},
        {"name": "other", "namespace": "main", "script": "sh", "env": {"T_OTHER": "main"}}]}))
    (folder / "one.env").write_text("T_FILE=file\nT_ENV_FILE=file\n")
    (folder / ".env").write_text("T_APP=dot\nT_DOT=dot\nT_ENV_FILE=dot\n")
    return folder


@pytest.fixture
def install(tmp_path):
    (tmp_path / "installed").mkdir()
    return Install(tmp_path / "installed")


def test_it_runs_in_the_environment_of_its_apps_workers(install, project, tmp_path):
    got = install("--home", project / ".ops", "jobs", cwd=tmp_path)
    assert "T_OTHER=main" in got.stdout and "T_DOT=dot" in got.stdout
    install.index(describe("jobs", "shop"))
    got = install("--home", project / ".ops", "jobs", cwd=tmp_path, T_SHELL="shell")
    # The workers of the app do not agree on T_OWN, so it is nobody else's.
    assert got.stdout.splitlines() == [
        "words:", f"cwd:{tmp_path}", f"home:{project}/.ops", "T_APP=app", "T_DOT=dot",
        "T_ENV_FILE=file", "T_FILE=app", "T_SHELL=shell"]
    assert got.returncode == 7


def test_words_after_its_name_are_its_own(install, project):
    got = install("jobs", "retry", "5", "--state", "dead", "--json", "--home", "x", "--", "-f", cwd=project)
    assert "words:retry 5 --state dead --json --home x -- -f" in got.stdout and got.returncode == 7
    assert "words:--json list" in install("--json", "jobs", "list", cwd=project).stdout
    assert "words:--help\n" in install("help", "jobs", cwd=project).stdout
    assert "words:--help\n" in install("--help", "jobs", "list", cwd=project).stdout
    got = install("--timeout", "5s", "jobs", cwd=project)
    assert got.returncode == 2 and "after its name" in got.stderr


def test_a_command_may_have_other_names(install, project):
    install.index({**describe("jobs", "main"), "also": "job tasks"})
    for name in ("jobs", "job", "tasks"):
        assert install(name, "list", cwd=project).stdout.startswith("words:list\n")
    assert install("job tasks", cwd=project).returncode == install("ta", cwd=project).returncode == 2


def test_help_lists_them_by_app(install, project):
    got = install("help", cwd=project).stdout
    assert re.search(r"^commands of main:\n  jobs +does things$", got, re.M)
    assert "commands of shop:" in got


def test_opsctls_own_commands_come_first(install, project):
    """`show` is another word for describe; an app cannot take it."""
    got = install("show", "one", cwd=project)
    assert got.returncode == 3 and "words:" not in got.stdout


def test_only_what_the_index_names_is_run(install, project):
    install.add("hidden")
    for word in ("hidden", "../libexec/jobs", "commands.json"):
        got = install(word, cwd=project)
        assert got.returncode == 2 and "no command" in got.stderr
    assert 'did you mean "jobs"?' in install("job", cwd=project).stderr
    (install.libexec / "commands.json").write_text("[")
    assert install("jobs", cwd=project).returncode == 2


def test_a_wrong_manifest_does_not_stand_in_the_way(install, project):
    (project / "ecosystem.json").write_text("{")
    got = install("jobs", cwd=project)
    assert got.returncode == 7 and "opsctl check" in got.stderr and "T_DOT=dot" in got.stdout


def test_a_missing_binary_is_named(install, project):
    (install.libexec / "jobs").unlink()
    got = install("jobs", cwd=project)
    assert got.returncode == 1 and str(install.libexec / "jobs") in got.stderr


def test_installed_they_are_in_a_folder_of_their_own(tmp_path, project):
    (tmp_path / "usr").mkdir()
    usr = Install(tmp_path / "usr", "libexec/ops")
    assert usr("jobs", cwd=project).returncode == 7


def test_what_was_built_is_listed_and_hides_none_of_opsctls_own():
    """Each is named after its file, lies in its app, and does not bear the name of an own command."""
    listed = json.loads((BIN.parent / "libexec" / "commands.json").read_text())
    own = subprocess.run([BIN / "opsctl", "help"], capture_output=True, text=True).stdout
    own = set(re.findall(r"^  (\w+) ", own.split("commands of ")[0], re.M))
    assert {(e["app"], e["name"]) for e in listed} == {
        (p.parts[-3], p.stem) for p in ROOT.glob("workers/*/commands/*.c")}
    assert not own & {e["name"] for e in listed} and {e["kind"] for e in listed} == {"command"}


def test_a_new_key_is_a_new_one(tmp_path):
    keys = [subprocess.run([BIN / "opsctl", "generate_field_encryption_key"], cwd=tmp_path,
                           capture_output=True, text=True).stdout for _ in range(2)]
    assert keys[0] != keys[1] and all(re.fullmatch(r"[\w-]{43}=\n", k) for k in keys)
