"""A page in one file: totals, plots and at most 1,000 rows, for any screen, light and dark, and for paper."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader

from functions.reporting.formats import MOST_SHOWN, NUMBERS, Report, Table
from functions.reporting.formats import _plots as plots
from functions.reporting.formats._for_people import cell, for_people, harmless

CONTENT_TYPE = "text/html; charset=utf-8"
MOST_POINTS = 60
"""Times that a plot shows; more are put together."""
FEW_DAYS = 3
"""Orders of so few days are shown by the hour."""
MOST_FILLED = 4_000
"""Days or hours that are filled with zeros where no order came. A clock that is decades off would make millions."""
HOUR_MS = 3_600_000


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
        orders=f"{sum(_values(totals, 'orders', summed)):,}",
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
    place = [column.name for column in table.columns].index(name) if table.columns else 0
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
    minutes, levels = _levels(report)
    if minutes:
        told = f"From {minutes[0]} to {minutes[-1]}; the highest 99th percentile is {max(levels['p99']):,} ms. Where a "
        told += "point stands for several minutes, p95 and p99 are those of the slowest, p50 that of the middle one."
        found.append(Plot("From created to ended, in ms", told, plots.lines(minutes, levels), list(levels)))
    return found


def _listed(counts: Mapping[str, int]) -> str:
    every = sum(counts.values())
    return ", ".join(f"{name} {count:,} ({count / every:.1%})" for name, count in counts.items()) + "."


def _over_time(report: Report, statuses: Sequence[str]) -> tuple[str, list[str], dict[str, list[int]]]:
    """Return the unit, the labels, and the number of orders of each status at each label, empty times included."""
    days = _counted(report.related("by-day"))
    if len(days) > FEW_DAYS:
        unit, times = "day", _every_day(sorted(text[:10] for text, _ in days.values()))
        counts = {text[:10]: count for text, count in days.values()}
    else:
        hours = _counted(report.related("by-hour"))
        first, last = min(hours), max(hours)
        filled = range(first, last + 1, HOUR_MS) if last - first < MOST_FILLED * HOUR_MS else sorted(hours)
        shown = {ms: (report.periodo.shown(ms) or "")[:16].replace("T", " ") for ms in [*filled, *hours]}
        unit, times = "hour", [shown[ms] for ms in sorted(shown)]
        counts = {shown[ms]: count for ms, (_, count) in hours.items()}
    step = -(-len(times) // MOST_POINTS)
    spans = [times[n : n + step] for n in range(0, len(times), step)]
    series = {status: [sum(counts.get(at, {}).get(status, 0) for at in span) for span in spans] for status in statuses}
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


def _levels(report: Report) -> tuple[list[str], dict[str, list[int]]]:
    table = report.related("service-levels")
    rows = list(table.rows)
    minutes = [text[:16].replace("T", " ") for text in _values(table, "minute_at", rows)]
    step = max(1, -(-len(rows) // MOST_POINTS))
    levels = {name: [max(1, ms) for ms in _values(table, f"{name}_ms", rows)] for name in ("p50", "p95", "p99")}
    joined = {
        name: [
            round(median(values[n : n + step])) if name == "p50" else max(values[n : n + step])
            for n in range(0, len(values), step)
        ]
        for name, values in levels.items()
    }
    return minutes[::step], joined
