"""A private PostgreSQL cluster for one pytest run.

On a Unix socket in a folder of its own, without fsync, as an unprivileged user also when the tests
run as root (PostgreSQL refuses to).
"""
import contextlib
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile

import psycopg2
import psycopg2.extras
import pytest

from harness import DEADLINE_S, wait_until


def _postgres_programs():
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"),
                   key=lambda path: int(path.parent.name))
    return found[-1] if found else pathlib.Path(shutil.which("postgres")).parent


# A database of its own for each test is some hundred files: in memory where there is room for them.
SHM, SHM_BYTES = "/dev/shm", 4 << 30


def _base():
    room = os.statvfs(SHM) if os.access(SHM, os.W_OK) else None
    return SHM if room and room.f_bavail * room.f_frsize > SHM_BYTES else "/tmp"


class Cluster:
    """A private PostgreSQL server; its superuser is `ops`, trusted on the socket."""

    def __init__(self, base=None, **settings):
        """settings: of the server, besides and instead of those in launch()."""
        # A socket's path has at most 107 bytes, hence not pytest's own long folders.
        base = base or _base()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="opspg-", dir=base))
        self.settings = settings
        self.programs = _postgres_programs()
        self.as_user = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.as_user = ["--reuid=postgres", "--regid=postgres", "--init-groups"]
        self.numbers = itertools.count(1)
        self.process = None

    def _command(self, program, *args):
        # Killed together with pytest, however that dies.
        return ["setpriv", "--pdeathsig=QUIT", *self.as_user, str(self.programs / program),
                *map(str, args)]

    def start(self):
        data = self.folder / "data"
        made = subprocess.run(
            self._command("initdb", "-D", data, "-U", "ops", "-A", "trust", "-E", "UTF8", "-N",
                          "--locale=C.UTF-8", "--no-instructions"),
            cwd="/", capture_output=True, text=True)
        if made.returncode:
            pytest.exit(f"initdb failed: {made.stderr}")
        self.launch()

    def launch(self):
        """Starts the server on the data that are there."""
        settings = {
            "listen_addresses": "", "unix_socket_directories": self.folder, "fsync": "off",
            "synchronous_commit": "off", "full_page_writes": "off", "max_connections": 100,
            "shared_buffers": "64MB", "autovacuum_naptime": "10s", "log_min_messages": "warning",
            **self.settings,
        }
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", "-D", self.folder / "data",
                              *itertools.chain(*(("-c", f"{k}={v}") for k, v in settings.items()))),
                cwd="/", stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, what="PostgreSQL answers")

    def restart(self, how=signal.SIGINT):
        """Ends all sessions (SIGQUIT: without a checkpoint, as a crash does) and starts again."""
        self.process.send_signal(how)
        self.process.wait(DEADLINE_S)
        self.launch()

    def _answers(self):
        if self.process.poll() is not None:
            pytest.exit(f"PostgreSQL ended: {(self.folder / 'log').read_text()}")
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.url("postgres")).close()
            return True
        return False

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(DEADLINE_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, name):
        return f"postgresql://ops@/{name}?host={self.folder}"

    def admin(self, statement):
        connection = psycopg2.connect(self.url("postgres"))
        connection.autocommit = True
        with contextlib.closing(connection), connection.cursor() as cursor:
            cursor.execute(statement)

    def create(self, template="template1"):
        name = f"t{next(self.numbers)}"
        # A copy of the files costs a fraction of one that is written to the log first.
        self.admin(f"create database {name} template {template} strategy file_copy")
        return Database(self, name)

    @contextlib.contextmanager
    def database(self, template="template1"):
        made = self.create(template)
        yield made
        made.drop()


class Database:
    def __init__(self, cluster, name):
        self.cluster, self.name, self.url = cluster, name, cluster.url(name)
        self._connection = None

    def connect(self, autocommit=True):
        """A connection of the caller's own, who closes it."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = autocommit
        return connection

    def query(self, statement, *args):
        """The rows, as named tuples; none for a statement that returns no rows."""
        if self._connection is None:
            self._connection = self.connect()
        with self._connection.cursor(cursor_factory=psycopg2.extras.NamedTupleCursor) as cursor:
            cursor.execute(statement, args or None)
            if cursor.description:
                return cursor.fetchall()
            # Rows without columns would look like none.
            assert not cursor.statusmessage.startswith("SELECT"), f"want select 1: {statement}"
            return []

    execute = query

    def value(self, statement, *args):
        """The first cell of the only row."""
        [row] = self.query(statement, *args)
        return row[0]

    def audited(self):
        """What is on its way to the audit log: (actor, action, details), in order."""
        return [(row.payload["actor"], row.payload["action"], row.payload["details"])
                for row in self.query("select payload from ops.job where queue = 'audit-log'"
                                      " order by id")]

    def told(self, bot, chat=None):
        """Texts of the messages that were enqueued, to everybody or to one chat; all are the bot's,
        but for alerts (ops.alert), which are the default one's."""
        rows = self.query("select payload ->> 'chatId' as chat, payload ->> 'text' as text, kind,"
                          " case when payload ? 'mailed' then %s else bot end as bot"
                          " from ops.job where queue = 'messages' order by id", bot)
        assert all((row.bot, row.kind) == (bot, "send-message") for row in rows)
        return [row.text for row in rows if chat is None or row.chat == str(chat)]

    def alone(self):
        """Waits until all other sessions have ended: that of a process that was killed, which holds its
        locks and may still be at work, does so a little after it."""
        wait_until(lambda: self.value("select count(*) from pg_stat_activity where datname ="
                                      " current_database() and pid <> pg_backend_pid()") == 0)

    def deadlocks(self):
        """How many there were. Sessions tell what they counted when they end: all others have to."""
        self.alone()
        return self.value("select deadlocks from pg_stat_database where datname = current_database()")

    def close(self):
        """Forgets the connection; the next query makes a new one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def drop(self):
        self.close()
        self.cluster.admin(f"drop database if exists {self.name} with (force)")
