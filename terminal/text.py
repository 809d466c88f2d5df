"""Formats foreign texts and times for people at a terminal."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from schemas.tienda import times


def printable(text: str) -> str:
    """Return a foreign text with its control characters escaped, so that it can't steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    r"""Return a foreign text that fits a table's row; see `printable`.

    Examples
    --------
    >>> one_line("two\nlines")
    'two\\nlines'
    """
    return printable(text).replace("\n", "\\n")


def moment(milliseconds: int, zone: ZoneInfo) -> str:
    """Format a time (Unix milliseconds) as ISO 8601 in a zone, to the millisecond."""
    return times.iso(milliseconds, zone)


def second(milliseconds: int, zone: ZoneInfo) -> str:
    """Format a time (Unix milliseconds) as ISO 8601 in a zone, to the second."""
    return times.iso(milliseconds, zone, "seconds")


def converted(iso: str, zone: ZoneInfo) -> str:
    """Format an ISO 8601 time in a zone, to the second; return any other text unchanged."""
    try:
        return second(times.instant(iso, zone), zone)
    except times.UnknownTime:
        return iso
