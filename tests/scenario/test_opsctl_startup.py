"""opsctl startup and unstartup: the unit that is written, and what systemctl is asked to do."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = ROOT / os.environ.get("BUILD", "build") / "bin"
DEADLINE = 20
FAKE = """#!/bin/sh
printf '%s\\n' "$*" >>{log}
echo "systemctl was here"
for last; do :; done
[ ! -e {fail} ] || exit 1
"""


class Project:
    def __init__(self, top, folder="shop"):
        self.top = top
        self.folder = top / "srv" / folder
        self.folder.mkdir(parents=True)
        (self.folder / "ecosystem.json").write_text("[]")
        self.root = top / "root"
        self.tools = top / "tools"
        self.tools.mkdir()
        self.log, self.fail = top / "systemctl.log", top / "fail"

    def systemctl(self):
        program = self.tools / "systemctl"
        program.write_text(FAKE.format(log=self.log, fail=self.fail))
        program.chmod(0o755)

    def opsctl(self, *words, user=None, cwd=None, **more):
        command = [BIN / "opsctl", *words]
        if user:
            command = ["setpriv", f"--reuid={user}", "--regid=65534", "--clear-groups", *command]
        kept = {k: v for k, v in os.environ.items()
                if not k.startswith(("OPS_", "SUDO_", "XDG_")) and k != "PATH"}
        return subprocess.run(command, cwd=cwd or self.folder, stdin=subprocess.DEVNULL, text=True,
                              capture_output=True, timeout=DEADLINE,
                              env={**kept, "PATH": f"{self.tools}:/usr/bin:/bin",
                                   "HOME": str(self.top), **more})

    def said(self):
        return self.log.read_text().splitlines() if self.log.exists() else []

    def unit(self, name="ops-shop"):
        return self.root / "etc/systemd/system" / f"{name}.service"


@pytest.fixture
def project(tmp_path):
    one = Project(tmp_path)
    one.systemctl()
    return one


def settings(text):
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")


root_only = pytest.mark.skipif(os.getuid() != 0, reason="root's unit")


def verify(path):
    analyze = shutil.which("systemd-analyze")
    if not analyze:
        return
    done = subprocess.run([analyze, "verify", "--man=no", "--recursive-errors=no", path],
                          capture_output=True, text=True, timeout=DEADLINE)
    said = [line for line in (done.stdout + done.stderr).splitlines() if Path(path).name in line]
    assert not said, said


@root_only
def test_the_unit_of_the_machine(project):
    done = project.opsctl("startup", "--root", project.root)
    assert done.returncode == 0, done.stderr
    unit = project.unit()
    assert done.stdout.startswith(f"{unit}: opsd starts with the machine from now on\n")
    assert "systemctl was here" not in done.stdout
    assert project.said() == [f"--root {project.root} enable ops-shop.service"]
    text = unit.read_text()
    wanted = {"Type": "notify", "NotifyAccess": "main", "Delegate": "yes", "KillMode": "process",
              "Restart": "always", "RestartPreventExitStatus": "0", "User": "root",
              "WorkingDirectory": str(project.folder), "WantedBy": "multi-user.target",
              "ExecStart": f'"{BIN}/opsd" --foreground --home "{project.folder}/.ops" '
                           f'--manifest "{project.folder}/ecosystem.json"'}
    assert {k: settings(text).get(k) for k in wanted} == wanted
    assert f'Environment="PATH={project.tools}:/usr/bin:/bin"' in text
    assert unit.stat().st_mode & 0o777 == 0o644
    verify(unit)
    # again is the same
    assert project.opsctl("startup", "--root", project.root).returncode == 0
    assert unit.read_text() == text


@root_only
def test_systemd_is_told_to_read_it(project):
    """Only a root folder of a system that is not running has nobody to tell."""
    unit = Path("/etc/systemd/system") / f"ops-test-{os.getpid()}.service"
    try:
        done = project.opsctl("startup", "--name", unit.stem, "--json")
        assert json.loads(done.stdout) == {"unit": str(unit), "name": unit.name}
        assert project.said() == ["daemon-reload", f"enable {unit.name}"]
        assert project.opsctl("unstartup", "--name", unit.stem).returncode == 0
        assert not unit.exists()
        assert project.said()[2:] == [f"disable {unit.name}", "daemon-reload"]
    finally:
        unit.unlink(missing_ok=True)


@root_only
def test_the_real_systemctl_enables_it(project):
    (project.tools / "systemctl").unlink()
    if not shutil.which("systemctl"):
        pytest.skip("no systemctl")
    assert project.opsctl("startup", "--root", project.root).returncode == 0
    link = project.root / "etc/systemd/system/multi-user.target.wants/ops-shop.service"
    assert link.is_symlink()
    assert project.opsctl("unstartup", "--root", project.root).returncode == 0
    assert not link.is_symlink() and not project.unit().exists()


@root_only
def test_who_runs_it_is_whose_the_home_is(project):
    os.chown(project.folder, 65534, 65534)
    (project.folder / ".ops").mkdir()
    os.chown(project.folder / ".ops", 65534, 65534)
    project.opsctl("startup", "--root", project.root)
    assert settings(project.unit().read_text())["User"] == "nobody"


@root_only
def test_before_there_is_a_home_it_is_who_asks_through_sudo(project):
    project.opsctl("startup", "--root", project.root, SUDO_USER="nobody")
    assert settings(project.unit().read_text())["User"] == "nobody"


@root_only
def test_a_users_own_unit(project):
    for path in (project.top, *project.top.rglob("*")):
        os.chown(path, 65534, 65534)
    for parent in project.top.parents:
        if parent != Path("/") and not parent.stat().st_mode & 1:
            parent.chmod(parent.stat().st_mode | 0o011)
    done = project.opsctl("startup", user="nobody")
    unit = project.top / ".config/systemd/user/ops-shop.service"
    assert done.returncode == 0, done.stderr
    assert "enable-linger" in done.stdout
    assert project.said() == ["--user daemon-reload", "--user enable ops-shop.service"]
    found = settings(unit.read_text())
    assert "User" not in found and found["WantedBy"] == "default.target"
    assert project.opsctl("unstartup", user="nobody").returncode == 0
    assert not unit.exists()


@root_only
@pytest.mark.parametrize("folder", ["a b", 'q"uote', "100%n", "$HOME", "back\\slash", "тест", "#x;y"])
def test_paths_mean_themselves_to_systemd(tmp_path, folder):
    project = Project(tmp_path, folder)
    project.systemctl()
    done = project.opsctl("startup", "--root", project.root, "--json")
    unit = Path(json.loads(done.stdout)["unit"])
    assert project.said() == [f"--root {project.root} enable {unit.name}"]
    verify(unit)
    text = unit.read_text()
    assert settings(text)["WorkingDirectory"] == str(project.folder).replace("%", "%%")
    # What systemd makes of the line: quotes and backslashes go, doubled signs become one.
    line = settings(text)["ExecStart"].replace("%%", "%").replace("$$", "$")
    import shlex
    assert shlex.split(line.replace("'", "\\'"))[3] == str(project.folder / ".ops")


@root_only
def test_a_newline_in_a_path_is_refused(tmp_path):
    project = Project(tmp_path, "a\nExecStartPre=x")
    project.systemctl()
    done = project.opsctl("startup", "--root", project.root)
    assert done.returncode == 1 and "control character" in done.stderr
    assert not project.root.exists()


@root_only
def test_another_projects_unit_is_left_alone(project, tmp_path):
    other = Project(tmp_path / "other")
    other.systemctl()
    assert other.opsctl("startup", "--root", project.root).returncode == 0
    text = project.unit().read_text()
    for word in ("startup", "unstartup"):
        done = project.opsctl(word, "--root", project.root)
        assert done.returncode == 1 and "belongs to something else" in done.stderr
    assert project.unit().read_text() == text and project.said() == []
    assert project.opsctl("startup", "--root", project.root, "--name", "mine").returncode == 0
    assert project.unit("mine").exists()


def test_names_that_are_none(project):
    for name in ("a/b", "../x", "", "a b", "."):
        done = project.opsctl("startup", "--root", project.root, "--name", name)
        assert done.returncode == 2, name
    assert not project.root.exists()


@root_only
def test_without_systemctl_it_says_what_to_type(project):
    (project.tools / "systemctl").unlink()
    done = project.opsctl("startup", "--root", project.root, PATH=str(project.tools))
    assert done.returncode == 1
    assert "Type=notify" in done.stdout and "[Install]" in done.stdout
    assert "there is no systemctl here" in done.stderr
    assert "systemctl enable --now ops-shop.service" in done.stderr
    assert not project.root.exists()


@root_only
def test_a_systemctl_that_fails_leaves_nothing_behind(project):
    project.fail.touch()
    done = project.opsctl("startup", "--root", project.root)
    assert done.returncode == 1 and "systemctl failed" in done.stderr
    assert "Type=notify" in done.stdout and not project.unit().exists()
    # nor takes anything away
    project.fail.unlink()
    project.opsctl("startup", "--root", project.root)
    project.fail.touch()
    assert project.opsctl("unstartup", "--root", project.root).returncode == 1
    assert project.unit().exists()


@root_only
def test_taking_back_what_is_not_there(project):
    done = project.opsctl("unstartup", "--root", project.root)
    assert done.returncode == 0 and "there is no such unit" in done.stdout and not project.said()


def test_without_a_manifest(tmp_path):
    project = Project(tmp_path)
    (project.folder / "ecosystem.json").unlink()
    done = project.opsctl("startup", "--root", project.root, cwd="/")
    assert done.returncode == 1 and "no ecosystem.json" in done.stderr
