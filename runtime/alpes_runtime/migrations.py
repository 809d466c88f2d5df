"""Brings a service's tables up to date: ordered `.sql` files, each applied once. Safe to repeat and to run in parallel.

``python -m alpes_runtime.migrations DSN_VARIABLE DIRECTORY`` does it by hand.
"""

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg

from alpes_wire.queries import load_queries

from .errors import Misconfigured
from .postgres import conninfo

_FILE = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
_LOCK = 0x616C706573  # "alpes": any constant does, as long as every migrator takes the same
_QUERIES = Path(__file__).with_name("migrations.sql")


def migrate(dsn: str, directory: Path) -> list[str]:
    """Apply the migrations that a database doesn't have yet, in the order of their names, each in one transaction.

    Returns
    -------
    list of str
        Names of the migrations applied now; empty if the database was up to date.

    Raises
    ------
    Misconfigured
        A file has changed since it was applied (add a new one instead), has a wrong name, or is out of order; or the
        DSN can't be read.
    psycopg.Error
        The database can't be reached or refuses a statement; the migrations before it stay applied.
    """
    queries = load_queries(_QUERIES)
    files = sorted(directory.glob("*.sql"))
    for path in files:
        if not _FILE.match(path.name):
            raise Misconfigured(f"{path.name}: a migration is named NNNN_what_it_does.sql, such as 0002_add_column.sql")
    applied_now: list[str] = []
    with psycopg.connect(
        conninfo(dsn, "alpes-migrations", options="", connect_timeout=10), autocommit=True
    ) as connection:
        connection.execute(queries["lock"].encode(), {"lock": _LOCK})
        connection.execute(queries["create_versions"].encode())
        known: dict[str, str] = dict(connection.execute(queries["applied"].encode()).fetchall())
        for path in files:
            text = path.read_text(encoding="utf-8")
            if _is_applied(known, path.name, text):
                continue
            if known and path.name < max(known):
                raise Misconfigured(f"{path.name} comes before {max(known)}, which is applied: give it a higher number")
            with connection.transaction():
                connection.execute(text.encode())
                connection.execute(queries["record"].encode(), {"version": path.name, "checksum": _checksum(text)})
            known[path.name] = _checksum(text)
            applied_now.append(path.name)
    return applied_now


def missing(connection: psycopg.Connection, directory: Path) -> list[str]:
    """Return the names of the migrations that a database doesn't have yet. Changes nothing.

    Raises
    ------
    Misconfigured
        A file has changed since it was applied.
    """
    queries = load_queries(_QUERIES)
    try:
        known: dict[str, str] = dict(connection.execute(queries["applied"].encode()).fetchall())
    except psycopg.errors.UndefinedTable:
        known = {}
    files = sorted(directory.glob("*.sql"))
    return [path.name for path in files if not _is_applied(known, path.name, path.read_text(encoding="utf-8"))]


def _is_applied(known: Mapping[str, str], name: str, text: str) -> bool:
    """Return whether a migration was applied; refuse one that has changed since."""
    if name in known and known[name] != _checksum(text):
        raise Misconfigured(f"{name} was applied and has changed since: put the change in a new file")
    return name in known


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    variable, folder = sys.argv[1:3]
    sys.stdout.write(("\n".join(migrate(os.environ[variable], Path(folder))) or "up to date") + "\n")
