"""Makes of a PostgreSQL DSN what to connect with. No error shows the DSN, which holds a password."""

import re
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .errors import InvalidDsn


def conninfo(dsn: str, application: str, options: str, **settings: Any) -> str:
    """Return what to connect with: a DSN, and our settings where it has none of its own.

    Parameters
    ----------
    dsn
        Connection string.
    application
        Shown in ``pg_stat_activity``.
    options
        Settings of the server, which come after those that the DSN has.
    settings
        Further settings of the connection.

    Raises
    ------
    InvalidDsn
        The DSN can't be read.
    """
    own = parameters(dsn)
    ours = {"options": f"{own.get('options') or ''} {options}".strip(), "application_name": application}
    return make_conninfo("", **{**settings, **own, **ours})


def parameters(dsn: str) -> dict[str, Any]:
    """Return what a DSN says, by libpq's names.

    Raises
    ------
    InvalidDsn
        The DSN can't be read. libpq's own error would quote it.
    """
    try:
        own = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        own = {"port": "unreadable"}
    # What follows a "/" or "@" of a password that isn't escaped is read as a host, a port or a database's name.
    host, port, name = (str(own.get(part) or "") for part in ("host", "port", "dbname"))
    if re.search("(^|,)[^,/@][^,]*@", host) or port.strip("0123456789,") or "@" in name:
        raise InvalidDsn(
            "The DSN is no connection string of PostgreSQL, such as postgresql://user:password@host:5432/database. "
            "In a password, % is written %25, / is %2F and @ is %40"
        )
    return own
