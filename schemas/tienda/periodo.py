"""The period that a report covers: reads and checks what `GenerarReporte` asks for. Pure."""

from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.tienda import rules, times

CREATED, UPDATED = "created", "updated"
BY = (CREATED, UPDATED)
"""Which of an order's times decides whether it lies in the period."""
DEFAULT_ZONE = "UTC"
"""Zone of a report whose command names none."""


class Periodo(NamedTuple):
    """The orders whose time ``by`` is ``from_ms`` or later, and before ``to_ms``.

    Attributes
    ----------
    from_ms, to_ms
        Unix milliseconds; None where the period has no such end.
    zone
        The zone in which the times were named and are shown.
    by
        One of `BY`.
    """

    from_ms: int | None
    to_ms: int | None
    zone: ZoneInfo
    by: str

    @property
    def bounded(self) -> bool:
        """Whether some orders may lie outside."""
        return self.from_ms is not None or self.to_ms is not None

    def shown(self, milliseconds: int | None) -> str | None:
        """Return a time in the period's zone, as ISO 8601; None for none."""
        return None if milliseconds is None else times.iso(milliseconds, self.zone)


def periodo(start: str = "", end: str = "", tz: str = "", by: str = "") -> Periodo:
    """Return the period that the fields `from`, `to`, `tz` and `by` of a `GenerarReporte` mean.

    Raises
    ------
    UnknownTime
        One of them is wrong, or no time lies between the two; the text says what would be right.
    """
    zone = times.zone(tz or DEFAULT_ZONE)
    if by not in ("", *BY):
        raise times.UnknownTime(f"by is {by[:40]!r}, must be {' or '.join(BY)}")
    from_ms = times.instant(start, zone) if start else None
    to_ms = times.instant(end, zone) if end else None
    if from_ms is not None and to_ms is not None and to_ms <= from_ms:
        raise times.UnknownTime(
            f"no time lies between from ({start[:40]}) and to ({end[:40]}) in {zone.key}: to itself is excluded, so "
            "for one day it is the next day"
        )
    if from_ms is not None and from_ms > rules.LAST_TIME_MS:
        raise times.UnknownTime(f"from is {start[:40]!r}, after the last time that an order can have")
    # No order has a time outside these limits, which are also those of the calendar.
    if from_ms is not None and from_ms <= 0:
        from_ms = None
    if to_ms is not None and to_ms > rules.LAST_TIME_MS:
        to_ms = None
    return Periodo(from_ms, to_ms, zone, by or CREATED)
