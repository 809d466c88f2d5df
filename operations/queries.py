"""Reads operators' SQL: a file for each operation, beside the service whose columns it names."""

from functools import cache
from pathlib import Path

from alpes_wire.queries import load_queries

_CHECKOUT = Path(__file__).parent.parent


def query(service: str | None, name: str) -> bytes:
    """Return a statement.

    Parameters
    ----------
    service
        The service whose columns it names; it lies in `functions/<service>/sql/operations`. None for a statement that
        names no table, which lies in `operations/sql`.
    name
        The name of its file, without the ending, and its name in the file, such as `rebuild/lock`.
    """
    file, _, statement = name.partition("/")
    folder = f"functions/{service}/sql/operations" if service else "operations/sql"
    return _queries(_CHECKOUT / folder / f"{file}.sql")[statement].encode()


_queries = cache(load_queries)
