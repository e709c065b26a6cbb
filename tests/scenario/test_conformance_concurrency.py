"""Conformance, S19-S23: several at once. What other files show:

S20  test_supervisor_stop.py::test_s20_two_starts_at_once_make_no_second_copy
S20  test_supervisor_control.py::test_two_starts_at_once_make_one_daemon
S21  test_supervisor_control.py::test_s21_every_answer_belongs_to_its_request
S21  test_supervisor_stop.py::test_random_commands_from_many_clients_never_make_two_copies
S22  test_supervisor_control.py::test_s22_a_malformed_request_gets_its_error_and_the_connection_goes_on
S22  test_supervisor_control.py::test_s22_half_a_request_harms_nobody
S22  test_supervisor_control.py::test_two_megabytes_without_a_newline_are_refused
S22  test_supervisor_control.py::test_a_client_that_asks_and_does_not_read_is_not_asked_for_more
"""
from conformance_fleet import home, is_alive, rounds, wait_until  # noqa: F401
from supervisor import py, sh


def test_s19_two_restarts_at_once_leave_one_process(home):
    home.apps(sh("exec sleep 1000"))
    home.start()
    first = home.wait_state("w", "online")["pid"]
    with home.connect() as a, home.connect() as b:
        for _ in range(rounds(200)):
            asked = a.send("restart", names=["w"]), b.send("restart", names=["w"])
            a.answer(asked[0])
            b.answer(asked[1])
            now = home.wait_state("w", "online")["pid"]
            assert now != first and not is_alive(first)
            assert home.processes() == [now]
            first = now


def test_s23_a_second_reload_is_refused_while_one_is_under_way(home):
    home.apps(py("""while os.path.exists('hold'): time.sleep(0.005)
tell('READY=1')
time.sleep(1000)""", ready="notify", listen_timeout="1h"))
    home.start()
    pid = home.wait_state("w", "online")["pid"]
    home.file("hold").touch()
    first = home.opsctl_background("reload", "w")
    wait_until(lambda: len(home.processes()) == 2)
    second = home.opsctl("reload", "w")
    assert second.returncode == 1 and "reload in progress" in second.stderr
    home.file("hold").unlink()
    first.communicate(timeout=20)
    assert first.returncode == 0
    row = home.wait_state("w", "online")
    assert row["pid"] != pid and home.processes() == [row["pid"]]
