"""socket_group: who besides root and the owner may ask opsd, and how far they get."""
import contextlib
import grp
import json
import os
import shutil
import signal
import subprocess

import pytest

from supervisor import BIN, DEADLINE_S, fleet, sh, wait_until  # noqa: F401

GROUP = "games"  # Debian's own, and nobody's
GID = grp.getgrnam(GROUP).gr_gid
MEMBERS = {"by its first group": [f"--regid={GID}", "--clear-groups"],
           "by a supplementary one": ["--regid=65534", f"--groups=65534,{GID}"]}
STRANGER = ["--regid=65534", "--clear-groups"]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")


def opsctl_as(who, fleet, *words):
    return subprocess.run(["setpriv", "--reuid=65534", *who, BIN / "opsctl", "--home", fleet.home, *words],
                          cwd="/", env=fleet.environment(HOME="/"), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=DEADLINE_S)


def shared(fleet, group=GROUP):
    os.chmod(fleet.top, 0o711)
    fleet.apps(sh("exec sleep 1000"), socket_group=group)
    fleet.start()
    fleet.wait_state("w", "online")


def modes(fleet):
    home, sock = fleet.home.stat(), (fleet.home / "opsd.sock").stat()
    return oct(home.st_mode & 0o777), home.st_gid, oct(sock.st_mode & 0o777), sock.st_gid


@pytest.mark.parametrize("who", MEMBERS.values(), ids=MEMBERS)
def test_a_member_may_do_what_the_owner_may(fleet, who):
    shared(fleet)
    assert modes(fleet) == ("0o710", GID, "0o660", GID)
    for words, state in (("stop", "w"), "stopped"), (("start", "w"), "online"):
        done = opsctl_as(who, fleet, *words)
        assert done.returncode == 0, done
        assert fleet.state("w") == state
    assert json.loads(opsctl_as(who, fleet, "stat", "--json").stdout)["workers"][0]["name"] == "w"


def test_a_member_of_very_many_groups_is_one_too(fleet):
    shared(fleet)
    many = ",".join(str(g) for g in [*range(70000, 70500), GID])
    done = opsctl_as(["--regid=65534", f"--groups={many}"], fleet, "stop", "w")
    assert done.returncode == 0, done


def test_nobody_else_gets_in_and_is_told_what_to_do(fleet):
    shared(fleet)
    done = opsctl_as(STRANGER, fleet, "stop", "w")
    assert done.returncode == 5 and "sudo" in done.stderr and "socket_group" in done.stderr
    os.chmod(fleet.home, 0o711)
    os.chmod(fleet.home / "opsd.sock", 0o666)
    done = opsctl_as(STRANGER, fleet, "stop", "w")
    assert done.returncode == 5 and "members of its socket_group" in done.stderr
    assert fleet.state("w") == "online"


def test_a_member_can_read_nothing_in_the_home(fleet):
    shared(fleet)
    as_member = ["setpriv", "--reuid=65534", *MEMBERS["by its first group"]]
    assert subprocess.run([*as_member, "ls", fleet.home], capture_output=True).returncode != 0
    for entry in fleet.home.rglob("*"):
        if entry.is_file() and not entry.is_symlink():
            assert subprocess.run([*as_member, "test", "-r", entry]).returncode != 0, entry
            assert subprocess.run([*as_member, "test", "-w", entry]).returncode != 0, entry


@pytest.mark.parametrize("group, wrong", [
    ("no-such-group", 'there is no group "no-such-group"; make it with: groupadd no-such-group (line 1)'),
    (["games"], "want a group's name or number"),
    ("a group", "want a group's name or number"),
])
def test_a_group_that_cannot_be_is_refused(fleet, group, wrong):
    fleet.apps(sh("exec sleep 1000"), socket_group=group)
    for command in "check", "start":
        done = fleet.opsctl(command, *(["all"] if command == "start" else []))
        assert done.returncode == 1 and "socket_group" in done.stderr and wrong in done.stderr, done
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    fleet.apps(sh("exec sleep 1000", env={"CHANGED": "1"}), socket_group=group)
    done = fleet.opsctl("apply")
    assert done.returncode == 1 and wrong in done.stderr, done
    assert fleet.row("w")["pid"] == pid


def test_apply_lets_a_group_in_and_out_while_it_is_connected(fleet):
    os.chmod(fleet.top, 0o711)
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    pid = fleet.wait_state("w", "online")["pid"]
    closed = ("0o700", os.getegid(), "0o600", os.getegid())
    assert modes(fleet) == closed
    who = MEMBERS["by its first group"]
    assert opsctl_as(who, fleet, "stat").returncode == 5
    fleet.apps(sh("exec sleep 1000"), socket_group=GID)
    assert fleet.opsctl("apply").returncode == 0
    assert modes(fleet) == ("0o710", GID, "0o660", GID)
    assert opsctl_as(who, fleet, "stat").returncode == 0
    talk = subprocess.Popen(
        ["setpriv", "--reuid=65534", *who, "/usr/bin/python3", "-c",
         "import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\nf=s.makefile('rb')\n"
         "for line in sys.stdin:\n"
         "  s.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"restart\",\"params\":{\"names\":[\"none\"]}}\\n')\n"
         "  print(f.readline().decode(),flush=True,end='')", fleet.home / "opsd.sock"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
    with talk:
        def ask():
            talk.stdin.write("ask\n")
            talk.stdin.flush()
            return json.loads(talk.stdout.readline())["error"]["code"]
        assert ask() != -32005
        fleet.apps(sh("exec sleep 1000"))
        assert fleet.opsctl("apply").returncode == 0
        assert ask() == -32005
        talk.stdin.close()
    assert modes(fleet) == closed
    assert opsctl_as(who, fleet, "stat").returncode == 5
    assert fleet.row("w")["pid"] == pid


def test_a_new_supervisor_and_a_new_socket_are_for_the_group_too(fleet):
    shared(fleet)
    who = MEMBERS["by a supplementary one"]
    os.kill(fleet.supervisor, signal.SIGKILL)
    wait_until(lambda: fleet.pid != fleet.supervisor)
    assert opsctl_as(who, fleet, "stat").returncode == 0
    (fleet.home / "opsd.sock").unlink()
    wait_until(lambda: opsctl_as(who, fleet, "stat").returncode == 0)
    assert modes(fleet) == ("0o710", GID, "0o660", GID)


def test_without_the_group_a_home_that_was_open_to_it_is_closed_again(fleet):
    shared(fleet)
    assert fleet.opsctl("kill").returncode == 0
    fleet.process.wait()
    assert fleet.home.stat().st_mode & 0o777 == 0o710
    fleet.apps(sh("exec sleep 1000"))
    fleet.start()
    assert modes(fleet) == ("0o700", os.getegid(), "0o600", os.getegid())


def test_a_home_that_its_owner_opened_stays_as_it_is(fleet):
    fleet.home.mkdir(mode=0o755)
    shared(fleet)
    assert modes(fleet) == ("0o755", os.getegid(), "0o660", GID)


def test_folders_that_keep_the_group_out_are_named(fleet):
    fleet.apps(sh("exec sleep 1000"), socket_group=GROUP)
    fleet.start()
    assert f"folder={fleet.top}" in fleet.daemon_log()
    done = opsctl_as(MEMBERS["by its first group"], fleet, "stat")
    assert done.returncode == 5


def test_an_opsd_that_is_not_in_the_group_says_so(fleet):
    os.chmod(fleet.top, 0o777)
    fleet.apps(sh("exec sleep 1000"), socket_group=GROUP)
    done = opsctl_as(STRANGER, fleet, "start", fleet.manifest)
    assert done.returncode == 1 and f'opsd is not in the group "{GROUP}"' in done.stderr, done
    shutil.rmtree(fleet.home, ignore_errors=True)
    member = MEMBERS["by a supplementary one"]
    with contextlib.ExitStack() as stack:
        stack.callback(opsctl_as, member, fleet, "kill")
        done = opsctl_as(member, fleet, "start", fleet.manifest)
        assert done.returncode == 0, done
        assert modes(fleet) == ("0o710", GID, "0o660", GID)
