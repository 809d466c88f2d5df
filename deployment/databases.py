"""Brings each service's tables up to date, as the service's own role."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from alpes_runtime import load_queries
from alpes_runtime.errors import AlpesError, Misconfigured
from alpes_runtime.migrations import migrate, missing
from alpes_runtime.postgres import conninfo
from deployment.change import Change
from deployment.errors import DeploymentError
from deployment.function_configs import CHECKOUT, PulsarFunctionConfig
from deployment.target import Target
from terminal import progress

SQL = load_queries(Path(__file__).with_suffix(".sql"))
DEPLOYING = 1634496357
"""First key of the advisory lock that a deployment holds, before the service's. Any number does, the same for all."""
NOTICED = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""The server ends the session of a machine that died within half a minute, and so its lock."""
LONGEST_WAIT_S = 900.0
LOOK_S = 1.0

Result = TypeVar("Result")


@contextmanager
def alone(configs: Sequence[PulsarFunctionConfig], target: Target) -> Iterator[None]:
    """Deploy these services alone for the length of a `with` block: other deployments of them wait for its end.

    Raises
    ------
    DeploymentError
        A database can't be reached, or another deployment takes too long; the message names it.
    """
    with ExitStack() as held:
        # In the order of the names, so that no two deployments wait for each other.
        for config in sorted(configs, key=lambda config: config.name):
            if config.dsn_variable:
                held.enter_context(_of_database(config, target, partial(_locked, config.name)))
        yield


def _locked(service: str, dsn: str) -> psycopg.Connection:
    """Return a connection that holds the lock until it is closed."""
    connection = psycopg.connect(conninfo(dsn, "alpes deployment", NOTICED), autocommit=True)
    try:
        if not _try(connection, service):
            waiting = f"Waiting for another deployment of {service}, {_holder(connection, service)}"
            with progress.step(waiting, "The other deployment ended"):
                _wait(connection, service)
    except BaseException:
        connection.close()
        raise
    return connection


def _wait(connection: psycopg.Connection, service: str) -> None:
    ends_at = time.monotonic() + LONGEST_WAIT_S
    while not _try(connection, service):
        if time.monotonic() > ends_at:
            raise DeploymentError(
                f"Nothing was done, since another deployment of {service} still goes on,"
                f" {_holder(connection, service)}: wait for it. If it hangs, end its session: pg_terminate_backend."
            )
        time.sleep(LOOK_S)


def _try(connection: psycopg.Connection, service: str) -> bool:
    ((taken,),) = connection.execute(SQL["try_lock"].encode(), {"key": DEPLOYING, "service": service})
    return bool(taken)


def _holder(connection: psycopg.Connection, service: str) -> str:
    for pid, place in connection.execute(SQL["holder"].encode(), {"key": DEPLOYING, "service": service}):
        return f"which works from {place} (session {pid} of its database)"
    return "which is about to end"


def lacking(configs: Sequence[PulsarFunctionConfig], target: Target) -> list[Change]:
    """Return the migrations that the databases don't have yet.

    Raises
    ------
    DeploymentError
        A database can't be reached, or has a migration that this checkout has changed.
    """
    found = []
    for config in configs:
        folder = _migrations(config)
        if folder is not None:
            names = _of_database(config, target, partial(_missing, folder))
            found += [Change(f"database {config.service}", f"migration {name}", None, "applied") for name in names]
    return found


def _migrate(folder: Path, dsn: str) -> list[str]:
    return migrate(dsn, folder)


def _missing(folder: Path, dsn: str) -> list[str]:
    with psycopg.connect(conninfo(dsn, "alpes deployment"), autocommit=True) as connection:
        return missing(connection, folder)


def apply(configs: Sequence[PulsarFunctionConfig], target: Target) -> list[str]:
    """Apply the migrations that are missing.

    Returns
    -------
    list of str
        One line for each database that was changed.

    Raises
    ------
    DeploymentError
        A database can't be reached, or refuses a migration.
    """
    done = []
    for config in configs:
        folder = _migrations(config)
        if folder is not None:
            applied = _of_database(config, target, partial(_migrate, folder))
            done += [f"tables of {config.name}: {', '.join(applied)} applied"] if applied else []
    return done


def _migrations(config: PulsarFunctionConfig) -> Path | None:
    folder = CHECKOUT / "functions" / config.service / "sql" / "migrations"
    return folder if config.dsn_variable and folder.is_dir() else None


def _of_database(config: PulsarFunctionConfig, target: Target, ask: Callable[[str], Result]) -> Result:
    dsn = target.dsns[config.dsn_variable]
    try:
        return ask(dsn)
    except (psycopg.Error, AlpesError) as error:
        raise DeploymentError(
            f"The tables of {config.name} could not be brought up to date ({config.dsn_variable} at"
            f" {_places(dsn)}): {' '.join(str(error).split())}"
        ) from error


def _places(dsn: str) -> str:
    """Return the servers of a DSN, which may name several, without its password."""
    with suppress(Misconfigured):
        parts = conninfo_to_dict(conninfo(dsn, ""))
        hosts = str(parts.get("host") or "localhost").split(",")
        ports = [port or "5432" for port in str(parts.get("port") or "").split(",")]
        return ", ".join(f"{host}:{port}" for host, port in zip(hosts, cycle(ports)))
    return "an address that can't be read"
