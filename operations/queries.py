"""Reads operators' SQL: each statement in a file, beside the service whose columns it knows."""

from pathlib import Path

_CHECKOUT = Path(__file__).parent.parent


def query(service: str | None, name: str) -> bytes:
    """Return a statement.

    Parameters
    ----------
    service
        Whose columns it knows: it lies in `functions/<service>/sql/operations`. None where it knows no table: then it
        lies in `operations/sql`.
    name
        Its file there, without ending, such as `rebuild/lock`.
    """
    folder = f"functions/{service}/sql/operations" if service else "operations/sql"
    return (_CHECKOUT / folder / f"{name}.sql").read_bytes()
