"""Words for a terminal: texts that others wrote, amounts and times, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime


def printable(text: str) -> str:
    """Make a text that others wrote fit for a terminal: what would steer it is shown as an escape instead."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)


def one_line(text: str) -> str:
    r"""Make a text that others wrote fit for a table's row; see `printable`.

    Examples
    --------
    >>> one_line("two\nlines")
    'two\\nlines'
    """
    return printable(text).replace("\n", "\\n")


def money(cents: int, currency: str) -> str:
    """Show an amount.

    Examples
    --------
    >>> money(1250, "USD")
    '12.50 USD'
    """
    return f"{cents // 100:,}.{cents % 100:02d} {currency}"


def moment(milliseconds: int) -> str:
    """Give a time (Unix milliseconds) as people here read it: local, to the millisecond, with its zone."""
    return _time(milliseconds, f".{milliseconds % 1000:03d}")


def second(milliseconds: int) -> str:
    """Give a time (Unix milliseconds) as people here read it: local, to the second, with its zone."""
    return _time(milliseconds, "")


def local(iso: str) -> str:
    """Give a time in ISO 8601 as people here read it, to the second; what is none as it is."""
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
    # Where a zone's name is but its distance from UTC: "-05".
    return f"{time:%Y-%m-%d %H:%M:%S}{fraction} {'UTC' if zone[:1] in '+-' else ''}{zone}"
