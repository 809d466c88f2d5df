"""Reads operators' SQL: a file an operation, beside the service whose columns it knows."""

from functools import cache
from pathlib import Path

from alpes_wire.queries import load_queries

_CHECKOUT = Path(__file__).parent.parent


def query(service: str | None, name: str) -> bytes:
    """Return a statement.

    Parameters
    ----------
    service
        Whose columns it knows: it lies in `functions/<service>/sql/operations`. None where it knows no table: then it
        lies in `operations/sql`.
    name
        Its file there, without ending, and its name in it, such as `rebuild/lock`.
    """
    file, _, statement = name.partition("/")
    folder = f"functions/{service}/sql/operations" if service else "operations/sql"
    return _queries(_CHECKOUT / folder / f"{file}.sql")[statement].encode()


_queries = cache(load_queries)
