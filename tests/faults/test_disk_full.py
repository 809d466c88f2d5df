"""When PostgreSQL's disk is full, the log says so and nothing is acknowledged; with room again, all goes on."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from local_stack import credentials, postgres
from tests.e2e.tienda import Tienda, wait_until
from tests.faults.function_logs import FunctionLog
from tests.faults.ordeal import Ordeal, often, settings_of
from tests.stack import status

TABLES = {"ordenes": "ordenes", "pagos": "transacciones", "reporting": "ordenes"}
"""The table of each service that grows with every order."""
FULL_S = often(long=15, short=4)
SPARE_BYTES = 64_000_000
TABLESPACE = "alpes_small"
WAITS = "The commit waits (attempt 1), nothing is lost: PostgreSQL"
"""What the log says when the disk is full."""


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own, on which a table lies.

    Attributes
    ----------
    folder
        Where it is mounted.
    """

    folder: Path

    @property
    def _filler(self) -> Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Fill the disk."""
        with self._filler.open("ab", buffering=0) as file:
            for chunk in (1 << 20, 1 << 12):
                block = bytes(chunk)
                try:
                    while True:
                        file.write(block)
                except OSError:
                    continue

    def make_room(self) -> None:
        """Free the disk again."""
        self._filler.unlink(missing_ok=True)


@pytest.fixture
def _root() -> None:
    if os.geteuid() != 0:
        pytest.skip("a file system of the test's own can be mounted by root only")


@contextmanager
def small_disk(stack: Tienda, service: str) -> Iterator[SmallDisk]:
    """Move a service's table to a small file system of its own, and afterwards back."""
    settings = settings_of(stack)
    known = credentials.load(settings)
    superuser = known.dsn(credentials.SUPERUSER, settings.ports.postgres)
    table, database = TABLES[service], service
    folder = postgres.folder(settings).resolve() / "small-disk"
    ((size,),) = stack.rows(service, "SELECT pg_table_size(%s::regclass)", table)
    mount(folder, size + SPARE_BYTES)
    try:
        owner = (postgres.folder(settings) / "data").stat()
        place = folder / "tablespace"
        place.mkdir()
        os.chown(place, owner.st_uid, owner.st_gid)
        with psycopg.connect(superuser, autocommit=True) as connection:
            name = sql.Identifier(TABLESPACE)
            connection.execute(sql.SQL("CREATE TABLESPACE {} LOCATION {}").format(name, sql.Literal(str(place))))
            connection.execute(sql.SQL("GRANT CREATE ON TABLESPACE {} TO PUBLIC").format(name))
        disk = SmallDisk(folder)
        try:
            move(stack, database, table, TABLESPACE)
            yield disk
        finally:
            disk.make_room()
            move(stack, database, table, "pg_default")
            with psycopg.connect(superuser, autocommit=True) as connection:
                # What was moved away is unlinked by a checkpoint.
                connection.execute("CHECKPOINT")
                connection.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(TABLESPACE)))
    finally:
        # PostgreSQL's connections may hold a file open that is gone: the file system goes when they let it go.
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True, timeout=30)
        folder.rmdir()


def mount(folder: Path, size: int) -> None:
    """Mount a file system of so many bytes in memory."""
    folder.mkdir(exist_ok=True)
    options = f"size={size},mode=0755"
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "alpes-test", str(folder)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    if done.returncode != 0:
        folder.rmdir()
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


def move(stack: Tienda, database: str, table: str, tablespace: str) -> None:
    """Move a table to a tablespace, as its owner."""
    with psycopg.connect(stack.dsns[database], autocommit=True) as connection:
        command = sql.SQL("ALTER TABLE {} SET TABLESPACE {}")
        connection.execute(command.format(sql.Identifier(table), sql.Identifier(tablespace)))


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("service", TABLES)
def test_orders_wait_for_room_on_a_full_disk_and_none_is_lost(stack: Tienda, service: str) -> None:
    assert postgres.pid_file(settings_of(stack)).running(), "the stack's own PostgreSQL runs"
    restarts = stack.restarts()
    log = FunctionLog(stack, service)
    with (
        small_disk(stack, service) as disk,
        Ordeal(stack, f"disk full under the table of {service}", total=True) as ordeal,
    ):
        with ordeal.fault():
            disk.fill()
            wait_until(lambda: log.lines(WAITS), 30, "the log says so")
            # Some groups fit in yet: into the last pages, and where failed attempts have left room.
            wait_until(lambda: stands_still(stack, service), 90, "nothing more is recorded or acknowledged")
            wait_until(lambda: is_stuck(*status(stack)), 30, "so says the status, with its exit code")
            disk.make_room()
        ordeal.finish()
    assert "STUCK" not in status(stack)[1]
    (first, *_) = log.lines(WAITS)
    assert "53100" in first, first
    assert "No space left on device" in first, first
    assert log.lines("The commit goes on after ")
    assert stack.restarts() == restarts


def stands_still(stack: Tienda, service: str) -> bool:
    """Return whether a service records and acknowledges nothing for a while."""
    before = count(stack, service), stack.acknowledged(service)
    time.sleep(FULL_S)
    return before == (count(stack, service), stack.acknowledged(service))


def is_stuck(code: int, told: str) -> bool:
    """Return whether the status says that the database can't be used. A group that fits in may go on in between."""
    return "STUCK: can't use the database" in told and code != 0


def count(stack: Tienda, service: str) -> int:
    """Return how many rows a service's table has."""
    return int(stack.rows(service, f"SELECT count(*) FROM {TABLES[service]}")[0][0])
