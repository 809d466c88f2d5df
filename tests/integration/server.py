"""The tests' PostgreSQL, as its superuser sees it."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql

from alpes_runtime.postgres import Postgres
from local_stack import postgres
from local_stack.credentials import SUPERUSER, Credentials
from local_stack.settings import Settings

Rows = Callable[[str], list[tuple[Any, ...]]]
Connect = Callable[[], Postgres]
UNINDEXABLE = secrets.token_hex(20_000)
"""A text too big for an index; the server itself refuses it."""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL with the roles of the three services."""

    settings: Settings
    credentials: Credentials

    def dsn(self, role: str, database: str | None = None) -> str:
        return self.credentials.dsn(role, self.settings.ports.postgres, database)

    def run(self, statement: str, **names: str) -> list[tuple[object, ...]]:
        """Run one statement; each of ``names`` is an identifier in it."""
        with psycopg.connect(self.dsn(SUPERUSER), autocommit=True) as connection:
            query = sql.SQL(statement).format(**{key: sql.Identifier(name) for key, name in names.items()})
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def forget_durability(self) -> None:
        """Don't wait for the disk: these tests are about restarts, not about power cuts."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self.run("ALTER SYSTEM SET {setting} = off", setting=setting)
        self.run("SELECT pg_reload_conf()")

    def create_database(self, name: str, owner: str, template: str = "template0") -> None:
        self.run("CREATE DATABASE {name} OWNER {owner} TEMPLATE {template}", name=name, owner=owner, template=template)

    def drop_database(self, name: str) -> None:
        self.run("DROP DATABASE {name} WITH (FORCE)", name=name)

    def terminate(self, dsn: str) -> int:
        """Kill every connection to a database; return how many there were."""
        name = dsn.rsplit("/", 1)[-1]
        killed = self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        return len(killed)

    def stop(self) -> None:
        postgres.stop(self.settings)

    def start(self) -> None:
        postgres.start(self.settings, self.credentials)


def blocked(rows: Rows) -> bool:
    return bool(rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"))


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        threading.Event().wait(0.01)
    pytest.fail("the condition never held")
