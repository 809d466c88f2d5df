"""A page in one file: totals, plots and at most 1,000 rows, for any screen, light and dark, and for paper."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader

from functions.reporting.formats import MOST_SHOWN, NUMBERS, Report, Table
from functions.reporting.formats import _plots as plots
from functions.reporting.formats._for_people import cell, for_people, harmless
from schemas.tienda.periodo import Periodo

CONTENT_TYPE = "text/html; charset=utf-8"
MOST_POINTS = 60
"""Times that a plot shows; more are put together."""
FEW_DAYS = 3
"""Orders of so few days are shown by the hour."""
MOST_FILLED = 4_000
"""Days or hours that are filled with zeros where no order came. A clock that is decades off would make millions."""
HOUR_MS = 3_600_000
LEVELS = ("minute_at", "p50_ms", "p95_ms", "p99_ms", "clock_ahead")
"""Columns of the report of service levels."""


class Plot(NamedTuple):
    """A plot with what it shows, in words and as names of its colours."""

    title: str
    told: str
    svg: str
    legend: Sequence[str]


class Shown(NamedTuple):
    """A table as the template shows it."""

    head: Sequence[tuple[str, bool]]
    rows: Sequence[Sequence[str]]


def render(report: Report) -> Iterator[bytes]:
    """Yield the page."""
    rows = list(islice(report.table.rows, MOST_SHOWN))
    left_out = report.table.rest()
    totals = report.related("by-status")
    summed = list(totals.rows)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.get_template("page.html.jinja").generate(
        report=report,
        told={key: harmless(str(value)) for key, value in report.described().items() if value is not None},
        filters={harmless(name): harmless(value) for name, value in report.filters.items()},
        totals=_shown(totals, summed),
        orders=f"{sum(_values(totals, 'orders', summed)):,}" if totals.columns else "",
        plots=_plots(report, totals, summed),
        table_shown=_shown(report.table, rows),
        left_out=f"{left_out:,}" if left_out else "",
        shown=f"{len(rows):,}",
    )
    for piece in page:
        yield piece.encode()


def _shown(table: Table, rows: Sequence[Sequence[Any]]) -> Shown:
    places = for_people(table.columns)
    kinds = [table.columns[place].type for place in places]
    head = [(table.columns[place].name, kind in NUMBERS) for place, kind in zip(places, kinds, strict=True)]
    return Shown(head, [[cell(row[place], kind) for place, kind in zip(places, kinds, strict=True)] for row in rows])


def _values(table: Table, name: str, rows: Sequence[Sequence[Any]]) -> list[Any]:
    place = [column.name for column in table.columns].index(name)
    return [row[place] for row in rows]


def _plots(report: Report, totals: Table, summed: Sequence[Sequence[Any]]) -> list[Plot]:
    """Return the plots; none where there is no order."""
    if not summed:
        return []
    outcomes: dict[str, int] = {}
    for status, orders in zip(_values(totals, "status", summed), _values(totals, "orders", summed), strict=True):
        outcomes[status] = outcomes.get(status, 0) + orders
    names = list(outcomes)
    unit, times, series = _over_time(report, names)
    peak = max(map(sum, zip(*series.values(), strict=True)), default=0)
    told = f"From {times[0]} to {times[-1]}, at most {peak:,} orders by {unit}."
    found = [
        Plot(f"Orders by {unit}", told, plots.over_time(times, series), names),
        Plot("Outcomes", _listed(outcomes), plots.shares(names, list(outcomes.values())), names),
    ]
    minutes, levels, clock_ahead = _levels(report)
    if minutes:
        told = f"From {minutes[0]} to {minutes[-1]}; the highest 99th percentile is {max(levels['p99']):,} ms. Where a "
        told += "point stands for several minutes, p95 and p99 are those of the slowest, p50 is their mean."
        if clock_ahead:
            told += f" {clock_ahead:,} orders are left out: a client's clock was ahead, so they end before they begin."
        found.append(Plot("From created to ended, in ms", told, plots.lines(minutes, levels), list(levels)))
    return found


def _listed(counts: Mapping[str, int]) -> str:
    every = sum(counts.values())
    return ", ".join(f"{name} {count:,} ({count / every:.1%})" for name, count in counts.items()) + "."


def _over_time(report: Report, statuses: Sequence[str]) -> tuple[str, list[str], dict[str, list[int]]]:
    """Return the unit, the labels, and the number of orders of each status at each label, empty times included."""
    days = _counted(report.related("by-day"))
    if len(days) > FEW_DAYS:
        unit, by_date = "day", {text[:10]: counts for text, counts in days.values()}
        times = _every_day(sorted(by_date))
        found = [by_date.get(day, {}) for day in times]
    else:
        hours = _counted(report.related("by-hour"))
        filled = _every_hour(sorted(hours), report.periodo)
        unit, times = "hour", _labels([report.periodo.shown(ms) or "" for ms in filled])
        found = [hours[ms][1] if ms in hours else {} for ms in filled]
    step = -(-len(times) // MOST_POINTS)
    spans = [found[n : n + step] for n in range(0, len(found), step)]
    series = {status: [sum(counts.get(status, 0) for counts in span) for span in spans] for status in statuses}
    return (unit if step == 1 else f"{step} {unit}s"), times[::step], series


def _counted(table: Table) -> dict[int, tuple[str, dict[str, int]]]:
    """Return, for each time, its text and the number of orders by status."""
    names = [column.name for column in table.columns]
    at_ms = next(place for place, name in enumerate(names) if name.endswith("_at_ms"))
    at = names.index(names[at_ms].removesuffix("_ms"))
    status, orders = names.index("status"), names.index("orders")
    found: dict[int, tuple[str, dict[str, int]]] = {}
    for row in table.rows:
        _, counts = found.setdefault(row[at_ms], (row[at], {}))
        counts[row[status]] = counts.get(row[status], 0) + row[orders]
    return found


def _every_day(days: Sequence[str]) -> list[str]:
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    if (last - first).days > MOST_FILLED:
        return list(days)
    return [(first + timedelta(n)).isoformat() for n in range((last - first).days + 1)]


def _every_hour(hours: Sequence[int], periodo: Periodo) -> list[int]:
    """Return the Unix ms of these hours and of those between. One is shorter where the clocks are changed within it."""
    if hours[-1] - hours[0] > MOST_FILLED * HOUR_MS:
        return list(hours)
    filled, at_ms = set(hours), hours[0]
    while at_ms < hours[-1]:
        shown = periodo.shown(at_ms) or ""
        at_ms += HOUR_MS - (int(shown[14:16]) * 60 + int(shown[17:19])) * 1000
        filled.add(at_ms)
    return sorted(filled)


def _labels(times: Sequence[str]) -> list[str]:
    """Return times of ISO 8601 to the minute, with the offset where the clocks show a time twice."""
    shown = [text[:16].replace("T", " ") for text in times]
    often = Counter(shown)
    return [f"{label}{text[23:]}" if often[label] > 1 else label for label, text in zip(shown, times, strict=True)]


class _Levels(NamedTuple):
    """The service levels of some minutes, one after the other.

    Attributes
    ----------
    at
        The first of them.
    minutes
        How many they are.
    p50
        The sum of their p50.
    p95, p99
        The highest ones.
    """

    at: str
    minutes: int
    p50: int
    p95: int
    p99: int

    def with_later(self, other: "_Levels") -> "_Levels":
        worst = max(self.p95, other.p95), max(self.p99, other.p99)
        return _Levels(self.at, self.minutes + other.minutes, self.p50 + other.p50, *worst)


def _levels(report: Report) -> tuple[list[str], dict[str, list[int]], int]:
    """Return times, the percentiles at each, and how many orders have none. A long history is joined as it comes."""
    table = report.related("service-levels")
    places = [[column.name for column in table.columns].index(name) for name in LEVELS]
    points: list[_Levels] = []
    each, clock_ahead = 1, 0
    for row in table.rows:
        at, p50, p95, p99, ahead = (row[place] for place in places)
        clock_ahead += ahead
        if p50 is None:
            continue
        minute = _Levels(at, 1, p50, p95, p99)
        if points and points[-1].minutes < each:
            points[-1] = points[-1].with_later(minute)
            continue
        if len(points) == MOST_POINTS:
            points = [first.with_later(second) for first, second in zip(points[::2], points[1::2], strict=True)]
            each *= 2
        points.append(minute)
    levels = {
        "p50": [max(1, round(point.p50 / point.minutes)) for point in points],
        "p95": [max(1, point.p95) for point in points],
        "p99": [max(1, point.p99) for point in points],
    }
    return _labels([point.at for point in points]), levels, clock_ahead
