"""A PostgreSQL of the tests' own, and a fresh database of a service for each test, copied from a migrated one."""

import itertools
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from alpes_runtime.migrations import migrate
from alpes_runtime.postgres import Postgres
from local_stack import credentials, postgres, services
from local_stack.settings import Ports, Settings
from tests.integration.server import Server

MIGRATIONS = {
    service: Path(__file__).parents[2] / "functions" / service / "sql" / "migrations"
    for service in services.dsn_variables()
}
_numbers = itertools.count()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    home = Path(tempfile.mkdtemp(prefix="alpes-pruebas-"))
    settings = Settings(home=home, cache=home, ports=Ports(_free_port() - Ports().postgres))
    made = Server(settings, credentials.load_or_make(settings))
    try:
        postgres.start(settings, made.credentials)
        made.forget_durability()
        for service, directory in MIGRATIONS.items():
            made.create_database(f"plantilla_{service}", service)
            migrate(made.dsn(service, f"plantilla_{service}"), directory)
        yield made
    finally:
        postgres.stop(settings)
        postgres.remove(settings)
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def empty_dsn(server: Server) -> Iterator[str]:
    """A database that has no table yet."""
    name = f"vacia_{next(_numbers)}"
    server.create_database(name, "ordenes")
    yield server.dsn("ordenes", name)
    server.drop_database(name)


@pytest.fixture
def dsn_of(server: Server) -> Iterator[Callable[[str], str]]:
    """Makes a fresh, migrated database of a service."""
    with ExitStack() as made:

        def make(service: str) -> str:
            name = f"{service}_{next(_numbers)}"
            server.create_database(name, service, template=f"plantilla_{service}")
            made.callback(server.drop_database, name)
            return server.dsn(service, name)

        yield make


@pytest.fixture
def dsn(request: pytest.FixtureRequest, dsn_of: Callable[[str], str]) -> str:
    """A fresh database of the service that the test module names in ``SERVICE``."""
    return dsn_of(request.module.SERVICE)


@pytest.fixture
def connect_to() -> Iterator[Callable[[str], Postgres]]:
    """Opens a connection to any database, through the code that functions use."""
    with ExitStack() as opened:

        def make(dsn: str) -> Postgres:
            database = Postgres(dsn, "alpes pruebas")
            opened.callback(database.close)
            return database

        yield make


@pytest.fixture
def connect(dsn: str, connect_to: Callable[[str], Postgres]) -> Callable[[], Postgres]:
    """Opens a further connection to the test's database."""
    return lambda: connect_to(dsn)


@pytest.fixture
def database(connect: Callable[[], Postgres]) -> Postgres:
    return connect()


@pytest.fixture
def connection(dsn: str) -> Iterator[psycopg.Connection]:
    """A plain connection to the test's database, each statement a transaction."""
    with psycopg.connect(dsn, autocommit=True) as opened:
        yield opened


@pytest.fixture
def rows(dsn: str) -> Callable[[str], list[tuple[object, ...]]]:
    """Runs a query on a connection of its own: what it sees is committed."""

    def run(query: str) -> list[tuple[object, ...]]:
        with psycopg.connect(dsn) as opened:
            return opened.execute(sql.SQL(query)).fetchall()

    return run
