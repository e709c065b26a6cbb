"""What make install and make deb put somewhere runs there, without the sources."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from harness import BUILD, ROOT, wait_until

SANITIZED = BUILD.name.endswith("-san")
HIDE = 'mount -t tmpfs none "$0" && exec "$@"'  # in a mount namespace of its own


def make(*words):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "OPS_"))}
    sanitizers = ["SAN=address,undefined"] if SANITIZED else []
    return subprocess.run(["make", "--no-print-directory", "-C", ROOT, *sanitizers, *words], env=kept, check=True,
                          capture_output=True, text=True).stdout


def can_hide():
    return subprocess.run(["unshare", "-m", "sh", "-c", HIDE, ROOT / "logs", "true"],
                          capture_output=True).returncode == 0


class Installed:
    """A project folder, and the programs of a tree that was installed below root."""

    def __init__(self, folder, root, database):
        self.folder, self.root = folder, root
        folder.mkdir(mode=0o711)
        self.hidden = ["unshare", "-m", "sh", "-c", HIDE, ROOT] if can_hide() else []
        text = (root / "usr/share/ops/ecosystem.json").read_text()
        (folder / "ecosystem.json").write_text(text.replace('"/usr/', f'"{root}/usr/'))
        (folder / ".env").touch(mode=0o600)
        (folder / ".env").write_text(f"DATABASE_URL={database.url}\n")

    def opsctl(self, *words):
        return subprocess.run([*self.hidden, self.root / "usr/bin/opsctl", *words], cwd=self.folder,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60,
                              env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(self.folder)})

    def rows(self):
        workers = json.loads(self.opsctl("stat", "--json").stdout)["workers"]
        return {row["name"]: row for row in workers}


def assert_it_runs(installed):
    checked = installed.opsctl("check")
    assert checked.returncode == 0, checked
    try:
        started = installed.opsctl("start", "all")
        assert started.returncode == 0, started
        wait_until(lambda: installed.rows()["migrate"]["completed"], what="the database is migrated")
        # the tunneler waits for the gateway, which lacks settings
        wait_until(lambda: {name for name, row in installed.rows().items() if row["state"] == "waiting"}
                   <= {"webhook_tunneler"}, what="everything had its turn")
        # what lacks a setting says so; nothing lacks a program
        assert all(row["state"] != "errored" or row["exit_code"] == 78
                   for row in installed.rows().values()), installed.rows()
        ran = installed.opsctl("run_worker", "main", "migrate")
        assert ran.returncode == 0, ran
        key = installed.opsctl("generate_field_encryption_key")
        assert re.fullmatch(r"[\w-]{43}=\n", key.stdout), key
    finally:
        ended = installed.opsctl("kill")
    assert ended.returncode == 0, ended


def files(root):
    return {str(p.relative_to(root)) for p in root.rglob("*") if not p.is_dir()}


def test_what_is_installed_runs_without_the_sources(tmp_path, empty_database):
    root = tmp_path / "root"
    make("install", f"DESTDIR={root}", "PREFIX=/usr")
    assert_it_runs(Installed(tmp_path / "project", root, empty_database))


def test_every_program_is_installed_and_nothing_is_left_by_uninstall(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/opt/ops")
    prefix = tmp_path / "opt/ops"
    workers = {f"lib/ops/workers/{p.relative_to(BUILD / 'workers')}"
               for p in (BUILD / "workers").glob("*/*") if os.access(p, os.X_OK)}
    commands = {f"libexec/ops/{p.name}" for p in (BUILD / "libexec").iterdir()}
    assert workers and commands
    assert files(prefix) >= {"bin/opsd", "bin/opsctl", "share/ops/ecosystem.json",
                             "lib/systemd/system/ops.service", *workers, *commands}
    assert "ExecStart=/opt/ops/bin/opsd " in (prefix / "lib/systemd/system/ops.service").read_text()
    for page in (BUILD / "man").glob("*.[1-8]"):
        assert (prefix / f"share/man/man{page.suffix[1:]}" / page.name).exists()
    assert files(prefix / "share") >= {"bash-completion/completions/opsctl", "zsh/site-functions/_opsctl",
                                       "fish/vendor_completions.d/opsctl.fish"}
    (prefix / "lib/ops/others").touch()
    make("uninstall", f"DESTDIR={tmp_path}", "PREFIX=/opt/ops")
    assert files(prefix) == {"lib/ops/others"}
    assert not (prefix / "libexec/ops").exists()


def test_the_installed_manifest_is_the_fleet_without_its_demo(tmp_path):
    make("install", f"DESTDIR={tmp_path}", "PREFIX=/usr")
    text = (tmp_path / "usr/share/ops/ecosystem.json").read_text()
    apps = json.loads(re.sub(r"^//.*\n", "", text, flags=re.M))["apps"]
    sources = (ROOT / "ecosystem.json").read_text()
    assert len(apps) > 5 and len(apps) == len(re.findall('"script": "build/(workers|libexec)/', sources))
    for app in apps:
        assert (tmp_path / app["script"].lstrip("/")).exists(), app
    assert not {"postgres", "sandbox", "seed"} & {n for a in apps for n in a.get("depends_on", [])}


def settings(unit):
    service = unit[unit.index("[Service]"):unit.index("[Install]")]
    named = dict(line.split("=", 1) for line in service.splitlines() if re.match(r"\w+=", line))
    return {k: v for k, v in named.items()
            if k not in ("ExecStart", "WorkingDirectory", "User", "Environment")}


def test_the_unit_says_what_opsctl_startup_would(tmp_path):
    (tmp_path / "ecosystem.json").write_text('{"apps": []}')
    root = tmp_path / "root"
    root.mkdir()
    subprocess.run([BUILD / "bin/opsctl", "startup", "--root", root], cwd=tmp_path, capture_output=True,
                   env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    written = next(root.rglob("*.service"), None)
    if not written:
        pytest.skip("no systemctl here")
    assert settings((ROOT / "packaging/ops.service").read_text()) == settings(written.read_text())


def test_the_package_builds_with_what_the_sources_build_with():
    packages = (ROOT / "scripts/packages").read_text()
    run = re.search(r"run='([^']*)'", packages)[1].split()
    control = (ROOT / "packaging/debian/control").read_text()
    needs = re.search(r"Build-Depends:(.*?)\n\S", control, re.S)[1]
    assert {p for p in run if p.endswith("-dev") and p != "libc6-dev"} <= set(re.findall(r"[\w.+-]+", needs))


@pytest.mark.skipif(SANITIZED, reason="what is packaged is not sanitized")
@pytest.mark.skipif(not shutil.which("dh"), reason="debhelper is not installed")
def test_the_debian_package_runs_where_it_is_unpacked(tmp_path, empty_database):
    package = pathlib.Path(make("deb", f"DEB_FROM={BUILD.name}", f"DEB={tmp_path}/deb").splitlines()[-1])
    root = tmp_path / "root"
    subprocess.run(["dpkg-deb", "-x", package, root], check=True)
    assert {"etc/ops/ecosystem.json", "var/lib/ops/ecosystem.json", "var/lib/ops/.env",
            "lib/systemd/system/ops.service"} <= files(root)
    assert os.readlink(root / "var/lib/ops/.env") == "/etc/ops/env"
    assert (root / "var/lib/ops/logs").resolve() == root / "var/log/ops"
    told = subprocess.run(["dpkg-deb", "-f", package], capture_output=True, text=True).stdout
    assert "Package: ops\n" in told and "libuv1" in told and "libpq5" in told
    parts = subprocess.run(["dpkg-deb", "-I", package, "conffiles", "postinst"], capture_output=True,
                           text=True).stdout
    assert "/etc/ops/ecosystem.json" in parts
    assert "deb-systemd-invoke" not in parts, "nothing is started by installing it"
    assert_it_runs(Installed(tmp_path / "project", root, empty_database))
