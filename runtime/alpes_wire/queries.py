"""Reads named queries from `.sql` files, so that SQL lives in files that SQL tools understand."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_queries(path: Path) -> dict[str, str]:
    """Return the queries of a file by name. Each starts with a line ``-- name: some_name``.

    Raises
    ------
    ValueError
        The file has no named query, or one name twice.
    """
    parts = _NAME.split(path.read_text(encoding="utf-8"))[1:]
    queries: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"{path.name}: two queries are named {name}")
        queries[name] = text.strip().rstrip(";")
    if not queries:
        raise ValueError(f"{path.name}: no line '-- name: …' in it")
    return queries
