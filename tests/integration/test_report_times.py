"""Days and hours of reports where the clocks are changed: each order is in the one in which it was made."""

import json
from bisect import bisect
from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest

from alpes_runtime.postgres import Postgres
from functions.reporting.making.kinds import kinds, parameters
from functions.reporting.making.making import pieces
from schemas.tienda.periodo import periodo
from tests.integration.reporting import actualizar, cambio, request
from tests.integration.server import Rows

SERVICE = "reporting"
QUARTER_MS = 900_000
CHANGES = [
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/Havana", "2026-03-08"),  # midnight is skipped
    ("America/Havana", "2026-11-01"),  # midnight comes twice, and the first one begins the day
    ("Atlantic/Azores", "2026-03-29"),
    ("Atlantic/Azores", "2026-10-25"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Asia/Beirut", "2026-03-29"),
    ("Asia/Beirut", "2026-10-25"),
    ("America/Nuuk", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),  # by half an hour
    ("Australia/Lord_Howe", "2026-10-04"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2019-02-17"),
    ("America/Caracas", "2016-05-01"),
    ("Asia/Kathmandu", "2026-01-01"),
    ("Pacific/Apia", "2011-12-31"),  # the day before is skipped
    ("CET", "2026-07-01"),  # to PostgreSQL also an abbreviation, without summer
]


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_each_order_is_in_the_day_and_in_the_hour_that_the_clocks_showed(
    zone: str, day: str, database: Postgres, dsn: str
) -> None:
    start = periodo(day, tz=zone).from_ms or 0
    made_at = [start + n * QUARTER_MS for n in range(-26 * 4, 50 * 4)]
    actualizar(database, *(cambio(f"o{n:03d}", created_at_ms=at_ms) for n, at_ms in enumerate(made_at)))

    days = rows_of(dsn, "by-day", zone)
    shown = {at_ms: datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)) for at_ms in made_at}
    dates = Counter(at.date() for at in shown.values())
    assert days == {periodo(each.isoformat(), tz=zone).from_ms: count for each, count in dates.items()}
    assert days == counted_from(days, made_at)

    hours = rows_of(dsn, "by-hour", zone)
    assert hours == counted_from(hours, made_at)
    assert list(hours.values()) == list(
        Counter((at.strftime("%d %H"), at.utcoffset()) for at in shown.values()).values()
    )

    following = (date.fromisoformat(day) + timedelta(1)).isoformat()
    assert rows_of(dsn, "by-day", zone, start=day, end=following) == {start: days[start]}


def test_no_zone_is_an_abbreviation_of_another_offset_to_postgresql(rows: Rows) -> None:
    fixed: dict[str, timedelta] = dict(rows("SELECT abbrev, utc_offset FROM pg_timezone_abbrevs"))
    kind = kinds()["by-day"]
    for name in available_timezones():
        tz = str(parameters(kind, periodo(tz=name), {})["tz"])
        offsets = offsets_of(tz)
        assert tz not in fixed or set(offsets) == {fixed[tz]}, name
        assert offsets == offsets_of(name), name


def offsets_of(zone: str) -> list[timedelta | None]:
    return [datetime(2026, month, 1, tzinfo=ZoneInfo(zone)).utcoffset() for month in range(1, 13)]


def rows_of(dsn: str, report: str, zone: str, **period: str) -> dict[int, int]:
    """Return the orders by the time at which their day or hour begins."""
    content = b"".join(
        pieces(request(dsn, "ndjson", report=report, tz=zone, **period), lambda: None, lambda _content_type: None)
    )
    rows = [json.loads(line) for line in content.splitlines()]
    return {next(value for name, value in row.items() if name.endswith("_at_ms")): row["orders"] for row in rows}


def counted_from(begins: dict[int, int], made_at: list[int]) -> dict[int, int]:
    """Return the orders by the last of these times that isn't after them."""
    starts = sorted(begins)
    return dict(Counter(starts[bisect(starts, at_ms) - 1] for at_ms in made_at))
