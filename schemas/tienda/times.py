"""Times as people read and write them: IANA zones and ISO 8601. Pure: the standard library alone."""

import difflib
import zoneinfo
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class UnknownTime(ValueError):
    """A text that names no zone, or no time in its zone. The text of the error says what would be right."""


def zone(name: str) -> ZoneInfo:
    """Return the zone of an IANA name, such as "America/Bogota".

    Raises
    ------
    UnknownTime
        There is no such zone; the text names one that is written alike.
    """
    try:
        return ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTime(f"there is no time zone {name[:60]!r}{_meant(name)}") from None


def _meant(name: str) -> str:
    every = sorted(zoneinfo.available_timezones())
    lowered = {known.rpartition("/")[2].lower(): known for known in every} | {known.lower(): known for known in every}
    near = difflib.get_close_matches(name[:60].lower(), lowered, n=1, cutoff=0.8)
    return f"; did you mean {lowered[near[0]]}?" if near else "; write an IANA name, such as America/Bogota or UTC"


def iso(milliseconds: int, where: ZoneInfo, timespec: str = "milliseconds") -> str:
    """Return a time (Unix milliseconds) as ISO 8601 with its offset from UTC.

    A time whose year in the zone is above 9999 comes in UTC, and one that no calendar has as its milliseconds.

    Examples
    --------
    >>> iso(1_767_225_600_123, ZoneInfo("America/Bogota"))
    '2025-12-31T19:00:00.123-05:00'
    """
    try:
        moment = _EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        return str(milliseconds)
    with suppress(OverflowError):
        moment = moment.astimezone(where)
    return moment.isoformat(timespec=timespec)


def instant(text: str, where: ZoneInfo) -> int:
    """Return the Unix milliseconds of a date or a time in ISO 8601.

    A date is the start of that day: the first moment at which the zone's calendar shows that day or a later one. A time
    without an offset is the zone's. What is finer than a millisecond is rounded up.

    Raises
    ------
    UnknownTime
        It is neither; or the zone's clocks skip that time, or show it twice.
    """
    try:
        return _start_of_day(date.fromisoformat(text), where)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UnknownTime(
            f"{text[:40]!r} is no date or time in ISO 8601, such as 2026-11-01, 2026-11-01T08:30 or "
            "2026-11-01T08:30-05:00"
        ) from None
    if moment.utcoffset() is not None:
        return _unix_ms(moment)
    first, second = (moment.replace(tzinfo=where, fold=fold) for fold in (0, 1))
    if _offset(first) < _offset(second):
        raise UnknownTime(f"{text!r} doesn't exist in {where.key}: the clocks there are set forward over it")
    if _offset(first) > _offset(second):
        raise UnknownTime(
            f"{text!r} comes twice in {where.key}, where the clocks are set back: write {first.isoformat()} or "
            f"{second.isoformat()}"
        )
    return _unix_ms(first)


def _start_of_day(day: date, where: ZoneInfo) -> int:
    midnight = datetime.combine(day, time(), where)
    latest, earliest = _unix_ms(midnight), _unix_ms(midnight.replace(fold=1))
    # Only where the clocks skip midnight is the second of the two readings the earlier one; they were set in between.
    while earliest < latest:
        middle = (earliest + latest) // 2
        if datetime.fromtimestamp(middle // 1000, where).date() < day:
            earliest = middle + 1
        else:
            latest = middle
    return latest


def _unix_ms(moment: datetime) -> int:
    # Not by way of UTC, in which the first and the last hours of the calendar have no date.
    return -((_EPOCH - moment.replace(tzinfo=UTC) + _offset(moment)) // _MILLISECOND)


def _offset(moment: datetime) -> timedelta:
    return moment.utcoffset() or timedelta()
