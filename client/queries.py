"""Reads the client's SQL: each statement in a file of its own, below client/sql."""

from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"


def query(name: str) -> bytes:
    """Give a statement.

    Parameters
    ----------
    name
        Its file below client/sql, without ending, such as `rebuild_reporting/lock`.
    """
    return (_FOLDER / f"{name}.sql").read_bytes()
