"""Formats foreign texts, amounts and times for people at a terminal."""

from __future__ import annotations

from datetime import UTC, datetime


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


def money(cents: int, currency: str) -> str:
    """Format an amount.

    Examples
    --------
    >>> money(1250, "USD")
    '12.50 USD'
    """
    return f"{cents // 100:,}.{cents % 100:02d} {currency}"


def moment(milliseconds: int) -> str:
    """Format a time (Unix milliseconds) in local time, to the millisecond, with its zone."""
    return _time(milliseconds, f".{milliseconds % 1000:03d}")


def second(milliseconds: int) -> str:
    """Format a time (Unix milliseconds) in local time, to the second, with its zone."""
    return _time(milliseconds, "")


def local(iso: str) -> str:
    """Format an ISO 8601 time in local time, to the second; return any other text unchanged."""
    try:
        return second(int(datetime.fromisoformat(iso).timestamp() * 1000))
    except (OverflowError, ValueError, OSError):
        return iso


def _time(milliseconds: int, fraction: str) -> str:
    try:
        time = datetime.fromtimestamp(milliseconds // 1000, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return str(milliseconds)
    zone = f"{time:%Z}"
    # Some zones have no name but their offset from UTC: "-05".
    return f"{time:%Y-%m-%d %H:%M:%S}{fraction} {'UTC' if zone[:1] in '+-' else ''}{zone}"
