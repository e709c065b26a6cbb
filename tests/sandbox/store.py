"""Where the stand-ins keep their state: one SQLite database, in a file or in memory.

A file outlives a kill of the sandbox at any moment, so that the ledger stays the truth that tests
compare PostgreSQL with. Losing it with the power of the machine does not matter (synchronous=OFF).
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from typing import Any, Iterator


class Store:
    def __init__(self, path: str | None) -> None:
        self.db = sqlite3.connect(path or ":memory:", isolation_level=None)
        self.db.row_factory = sqlite3.Row
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = off")
        self.db.execute("create table if not exists value (name text primary key, json text)")

    def script(self, sql: str) -> None:
        """Creates the tables of a service; every statement says `if not exists`."""
        self.db.executescript(sql)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        self.db.execute("begin immediate")
        try:
            yield self.db
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def load(self, name: str, default: Any) -> Any:
        row = self.db.execute("select json from value where name = ?", (name,)).fetchone()
        return json.loads(row["json"]) if row else default

    def save(self, name: str, value: Any) -> None:
        self.db.execute("insert or replace into value values (?, ?)", (name, json.dumps(value)))

    def clear(self) -> None:
        tables = self.db.execute("select name from sqlite_master where type = 'table'").fetchall()
        with self.transaction():
            for (name,) in tables:
                if not name.startswith("sqlite_"):
                    self.db.execute(f'delete from "{name}"')

    def close(self) -> None:
        self.db.close()
