"""Opens a connection to a service's database; an error says in one line why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from alpes_wire.dsn import conninfo
from alpes_wire.errors import InvalidDsn
from operations.errors import NoDatabaseError
from terminal.errors import CommandError
from terminal.settings import dsn as dsn_setting

CONNECT_TIMEOUT_S = 5


def dsn_variable(service: str) -> str:
    """Return the environment variable with the DSN of a service's database, as its function config names it."""
    return dsn_setting(service).variable


@contextmanager
def database(
    service: str, dsn: str | None, *, statement_timeout_s: int, read_only: bool = False
) -> Iterator[psycopg.Connection]:
    """Connect to a service's database for the length of a `with` block; statements commit unless in a transaction.

    Parameters
    ----------
    service
        Whose database, such as `reporting`.
    dsn
        The database's DSN; None if none is set.
    statement_timeout_s
        How long one statement may take.
    read_only
        Whether the database refuses every change.

    Raises
    ------
    NoDatabaseError
        If there is no DSN, or nothing answers there.
    CommandError
        If the database refuses a statement.
    """
    variable = dsn_variable(service)
    if not dsn:
        raise NoDatabaseError(
            f'{variable} is not set: set it to a DSN, for the local stack with eval "$(./deploy.sh env)".'
        )
    settings = {
        "statement_timeout": f"{statement_timeout_s}s",
        "timezone": "UTC",
        "default_transaction_read_only": "on" if read_only else "off",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    try:
        connection = psycopg.connect(
            conninfo(dsn, "alpes operator", options, connect_timeout=CONNECT_TIMEOUT_S), autocommit=True
        )
    except InvalidDsn as error:
        raise NoDatabaseError(f"{variable} can't be used: {error}.") from None
    except psycopg.Error as error:
        # The text of the error may repeat the host and user of a DSN that could be read, never its password.
        raise NoDatabaseError(f"No database at {variable} ({_line(error)}).") from error
    try:
        with connection:
            yield connection
    except psycopg.errors.UndefinedTable as error:
        raise CommandError(f"The database of {variable} lacks Alpes' tables ({_line(error)}).") from error
    except psycopg.Error as error:
        raise CommandError(f"The database of {variable} refused: {_line(error)}.") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
