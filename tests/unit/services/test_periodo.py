"""The periods of reports: days of any length in any zone, and times that a zone's clocks skip or show twice."""

import zoneinfo
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.tienda import rules
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.times import UnknownTime, instant, iso, zone

HOUR_MS = 3_600_000
ZONES = st.sampled_from(sorted(zoneinfo.available_timezones()))
DAYS = st.dates(date(1970, 1, 3), date(2199, 12, 1))
APIA, HOWE = "Pacific/Apia", "Australia/Lord_Howe"


def within(at_ms: int, of: Periodo) -> bool:
    """Tell whether an order of this time is in the report, as the statements in ordenes.sql do."""
    return (of.from_ms is None or of.from_ms <= at_ms) and (of.to_ms is None or at_ms < of.to_ms)


def starts(name: str, first: date, days: int) -> list[int]:
    return [instant((first + timedelta(days=n)).isoformat(), zone(name)) for n in range(days + 1)]


@given(name=ZONES, first=DAYS, days=st.integers(1, 40), place=st.floats(0, 1, exclude_max=True))
@example(name=APIA, first=date(2011, 12, 29), days=3, place=0.5)
@example(name="America/New_York", first=date(2026, 11, 1), days=1, place=0.05)
def test_an_order_falls_into_exactly_one_day_of_any_range(name: str, first: date, days: int, place: float) -> None:
    edges = starts(name, first, days)
    at_ms = edges[0] + int((edges[-1] - edges[0]) * place)
    assert edges == sorted(edges)
    days_of_it = [
        n
        for n, (start, end) in enumerate(pairwise(edges))
        if start < end
        and within(at_ms, periodo(str(first + timedelta(days=n)), str(first + timedelta(days=n + 1)), name))
    ]
    assert len(days_of_it) == 1
    assert within(at_ms, periodo(str(first), str(first + timedelta(days=days)), name))


@given(name=ZONES, day=DAYS, place=st.floats(0, 1, exclude_max=True))
@example(name="America/Toronto", day=date(1919, 3, 31), place=0.0)
@example(name="America/Sao_Paulo", day=date(2018, 11, 4), place=0.0)
def test_a_day_has_the_times_that_the_zones_calendar_shows_as_that_day(name: str, day: date, place: float) -> None:
    start, end = starts(name, day, 1)
    at_ms = start + int((end - start) * place)
    if start == end:
        assert shown_day(start, name) > day  # the zone left this day out
        return
    shown = shown_day(at_ms, name)
    # Where the clocks go back over midnight, the day before shows again for a while: that belongs to the new day.
    assert shown == day or (shown == day - timedelta(days=1) and shown_day(start, name) == day)
    assert shown_day(start - 1, name) < day <= shown_day(start, name)


def shown_day(at_ms: int, name: str) -> date:
    return datetime.fromtimestamp(at_ms / 1000, ZoneInfo(name)).date()


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Europe/Madrid", "2026-03-29", 23),
        ("Europe/Madrid", "2026-10-25", 25),
        ("America/Bogota", "2026-03-08", 24),
        ("Asia/Kathmandu", "2026-03-08", 24),
        (HOWE, "2026-10-04", 23.5),
        (HOWE, "2026-04-05", 24.5),
        (APIA, "2011-12-29", 24),
        (APIA, "2011-12-31", 24),
        ("America/Sao_Paulo", "2018-11-04", 23),
        ("America/Toronto", "1970-04-26", 23),
    ],
)
def test_a_day_is_as_long_as_the_zones_clocks_make_it(name: str, day: str, hours: float) -> None:
    following = (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    of = periodo(day, following, name)
    assert of.from_ms is not None
    assert of.to_ms is not None
    assert (of.to_ms - of.from_ms) / HOUR_MS == hours


def test_a_day_that_did_not_exist_covers_no_time() -> None:
    with pytest.raises(UnknownTime, match="no time lies between from"):
        periodo("2011-12-30", "2011-12-31", APIA)


def test_the_last_ten_minutes_of_a_year_belong_to_it_in_their_zone() -> None:
    year = periodo("2026-01-01", "2027-01-01", "America/Mexico_City")
    following = periodo("2027-01-01", "2028-01-01", "America/Mexico_City")
    for minute in range(50, 60):
        # 23:50 in UTC−6 is 05:50 of the next year in UTC.
        at_ms = int(datetime(2027, 1, 1, 5, minute, 59, 999_000, UTC).timestamp() * 1000)
        assert within(at_ms, year)
        assert not within(at_ms, following)
        assert iso(at_ms, year.zone) == f"2026-12-31T23:{minute}:59.999-06:00"
        assert not within(at_ms, periodo("2026-01-01", "2027-01-01", "UTC"))
    midnight = year.to_ms or 0
    assert (within(midnight, year), within(midnight, following)) == (False, True)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-01T08:30", "2026-11-01T13:30Z"),
        ("2026-11-01", "2026-11-01T05:00Z"),
        ("2026-11-01T08:30+05:45", "2026-11-01T02:45Z"),
        ("2026-11-01 08:30:15.250", "2026-11-01T13:30:15.250Z"),
    ],
)
def test_a_time_is_the_zones_unless_it_has_an_offset_of_its_own(text: str, same: str) -> None:
    assert instant(text, zone("America/Bogota")) == instant(same, zone("Asia/Kathmandu"))


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("America/New_York", "2026-03-08T02:30", "doesn't exist in America/New_York: the clocks there are set forward"),
        (HOWE, "2026-10-04T02:15", "doesn't exist"),
        (APIA, "2011-12-30T12:00", "doesn't exist in Pacific/Apia"),
        ("Europe/Madrid", "2026-10-25T02:30", r"write 2026-10-25T02:30:00\+02:00 or 2026-10-25T02:30:00\+01:00"),
        ("UTC", "2026-02-29", "'2026-02-29' is no date or time in ISO 8601, such as 2026-11-01"),
        ("UTC", "1767225600", "is no date or time"),
        ("UTC", "now\0", "is no date or time"),
        ("UTC", "", "is no date or time"),
    ],
)
def test_a_time_that_is_none_or_two_is_refused_with_what_would_be_one(name: str, text: str, why: str) -> None:
    with pytest.raises(UnknownTime, match=why):
        instant(text, zone(name))


def test_both_of_the_times_that_the_clocks_show_twice_can_be_written() -> None:
    first, second = "2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"
    there = zone("America/New_York")
    assert instant(second, there) - instant(first, there) == HOUR_MS
    assert iso(instant(first, there), there) == "2026-11-01T01:30:00.000-04:00"
    assert iso(instant(second, there), there) == "2026-11-01T01:30:00.000-05:00"


@given(name=ZONES, at_ms=st.integers(1, rules.LAST_TIME_MS))
def test_what_is_shown_of_a_time_reads_back_as_that_time(name: str, at_ms: int) -> None:
    assert instant(iso(at_ms, zone(name)), zone("UTC")) == at_ms


@given(text=st.one_of(st.text(max_size=40), st.datetimes().map(str), st.dates().map(str)), name=ZONES)
def test_any_text_is_a_time_or_told_to_be_none(text: str, name: str) -> None:
    try:
        instant(text, zone(name))
    except UnknownTime:
        return


@given(name=st.text(max_size=80))
def test_any_text_is_a_zone_or_told_to_be_none(name: str) -> None:
    try:
        found = zone(name)
    except UnknownTime:
        return
    assert found.key == name


def test_what_is_finer_than_a_millisecond_neither_adds_nor_removes_an_order() -> None:
    of = periodo("2026-01-01T00:00:00.0001Z", "2026-01-01T00:00:00.0011Z")
    assert [within(1_767_225_600_000 + n, of) for n in range(3)] == [False, True, False]


def test_the_ends_of_the_calendar_are_no_limits() -> None:
    for name in ("America/Mexico_City", "Asia/Kathmandu"):
        of = periodo("0001-01-01", "9999-12-31T23:59:59.999", name)
        assert of.from_ms is None
        assert of.to_ms is None or of.to_ms > rules.LAST_TIME_MS - 24 * HOUR_MS


def test_a_period_that_begins_after_the_last_time_of_an_order_is_refused() -> None:
    with pytest.raises(UnknownTime, match=r"^from is '9999-12-31T23:00', after the last time"):
        periodo("9999-12-31T23:00", "", "America/Mexico_City")
