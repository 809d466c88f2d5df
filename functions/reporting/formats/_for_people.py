"""What the formats for people share: which columns they show, and foreign texts made harmless for the eye. Pure."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from functions.reporting.formats import NUMBER, Column

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that show nothing or steer what shows, such as control, zero-width and right-to-left."""


def harmless(text: str) -> str:
    r"""Return a text on one line, with each character that would be hidden or steer the display written as its number.

    Examples
    --------
    >>> harmless("a\u202eb\x1b[2J")
    'a\\u202eb\\x1b[2J'
    """
    return "".join(_shown(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _shown(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cell(value: Any, kind: str) -> str:
    """Return a value as people read it, by the type of its column."""
    if value is None:
        return ""
    return f"{value:g}" if kind == NUMBER else harmless(str(value))


def for_people(columns: Sequence[Column]) -> list[int]:
    """Return the places of the columns that people see: none for programs, and none that has another form for them."""
    names = {column.name for column in columns}
    return [
        place for place, column in enumerate(columns) if not column.internal and not _has_another(column.name, names)
    ]


def _has_another(name: str, names: set[str]) -> bool:
    for suffix in ("_at_ms", "_cents"):
        other = name.removesuffix(suffix) + ("_at" if suffix == "_at_ms" else "")
        if name.endswith(suffix) and other in names:
            return True
    return False
