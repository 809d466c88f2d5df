"""Writes a result for a terminal. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from bench.cpu import by_kind
from bench.histogram import PERCENTILES, name
from bench.results import Result, Run


def line(run: Run) -> str:
    """Return a line about one run."""
    at = "as fast as accepted" if run.rate is None else f"at {run.rate:,.0f}/s"
    return f"{run.name}: {run.orders:,} orders {at} in {run.seconds:.1f} s, {run.per_second:,.0f}/s"


def text(result: Result) -> str:
    """Return the whole result, in paragraphs."""
    parts = [
        paragraph("runs", runs(result.runs)),
        paragraph("CPU, µs per order", cpu(result.runs)),
        paragraph("messages per commit, and per entry", groups(result.runs)),
        *(paragraph(f"latency in ms, {run.name}", latencies(run)) for run in result.runs if run.latencies),
        paragraph("the state store behind the tables", state(result.runs)),
        paragraph("figures", [[name, shown(value)] for name, value in flat(result.figures)]),
        paragraph("ratios", ratios(result.ratios)),
        paragraph("not measured", [[missing] for missing in result.missing]),
    ]
    return "\n\n".join(part for part in parts if part)


def runs(found: Sequence[Run]) -> list[list[str]]:
    """Return a table of each run's orders and rates."""
    if not found:
        return []
    rows = [["run", "orders", "seconds", "orders/s", "commits/s", "machine busy", "client late ms"]]
    for run in found:
        commits = "" if run.commits_per_second is None else f"{run.commits_per_second:,.0f}"
        busy = "" if run.machine_busy_s is None else f"{run.machine_busy_s / run.seconds:.2f} cores"
        late = f"{run.client_latest_s * 1e3:.0f}" if run.rate else ""
        rows.append([run.name, f"{run.orders:,}", f"{run.seconds:.2f}", f"{run.per_second:,.0f}", commits, busy, late])
    return rows


def cpu(found: Sequence[Run]) -> list[list[str]]:
    """Return a table of the microseconds of CPU that each kind of process used per order."""
    each = {run.name: by_kind(run.cpu_us_per_order()) for run in found if run.cpu_s}
    kinds = list(dict.fromkeys(kind for figures in each.values() for kind in figures))
    if not kinds:
        return []
    rows = [["run", *kinds, "together"]]
    for run, figures in each.items():
        cells = [f"{figures[kind]:.0f}" if kind in figures else "" for kind in kinds]
        rows.append([run, *cells, f"{sum(figures.values()):.0f}"])
    return rows


def groups(found: Sequence[Run]) -> list[list[str]]:
    """Return a table of how many messages of each topic shared a commit, and how many an entry."""
    topics = list(dict.fromkeys(topic for run in found for topic in run.messages_per_commit))
    if not topics:
        return []
    rows = [["run", *topics]]
    for run in found:
        cells = []
        for topic in topics:
            commit, entry = run.messages_per_commit.get(topic), run.messages_per_entry.get(topic)
            cells.append(" | ".join("" if value is None else f"{value:.1f}" for value in (commit, entry)))
        rows.append([run.name, *cells])
    return rows


def latencies(run: Run) -> list[list[str]]:
    """Return a table of percentiles by step, in milliseconds."""
    rows = [["step", "orders", *map(name, PERCENTILES), "max"]]
    for step, histogram in run.latencies.items():
        if histogram.count:
            cells = [f"{histogram.at(percentile) / 1e3:.1f}" for percentile in (*PERCENTILES, 100.0)]
            rows.append([step, f"{histogram.count:,}", *cells])
    return rows


def state(found: Sequence[Run]) -> list[list[str]]:
    """Return a table of how far the state store was behind."""
    rows = [["run", "at most, s", "at the end, s", "changes", "caught up in s", "changes/s"]]
    for run in found:
        ages = [sample.state_age_s for sample in run.samples if sample.state_age_s is not None]
        if not run.state and not ages:
            continue
        rows.append(
            [
                run.name,
                f"{max(ages):.1f}" if ages else "",
                *(
                    f"{run.state[key]:,.{digits}f}" if key in run.state else ""
                    for key, digits in (
                        ("behind_s", 1),
                        ("behind_changes", 0),
                        ("catch_up_s", 1),
                        ("catch_up_per_s", 0),
                    )
                ),
            ]
        )
    return rows if len(rows) > 1 else []


def ratios(found: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """Return a table of ratios."""
    if not found:
        return []
    rows = [["ratio", "median", "noise", "rounds"]]
    for ratio, each in found.items():
        rounds = ", ".join(f"{value:.2f}" for value in each["rounds"])
        rows.append([ratio, f"{each['median']:.2f}", f"± {100 * each['noise']:.0f} %", rounds])
    return rows


def flat(figures: Mapping[str, Any], before: str = "") -> Iterable[tuple[str, Any]]:
    """Yield each figure of a nested mapping with its full name."""
    for key, value in figures.items():
        whole = f"{before}{key}"
        if isinstance(value, Mapping):
            if {"per_minute", "error"} <= value.keys():
                ends = f"{value['first']:.4g} to {value['last']:.4g}"
                yield whole, f"{value['per_minute']:+.4g} ± {value['error']:.2g} a minute, from {ends}"
            else:
                yield from flat(value, f"{whole}, ")
        else:
            yield whole, value


def shown(value: object) -> str:
    """Return a figure as text."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, list):
        return ", ".join(map(shown, value)) or "none"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def paragraph(title: str, rows: Sequence[Sequence[str]]) -> str:
    """Return a titled table with its columns aligned; empty without rows."""
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    lines = [
        "  ".join(cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(cells))
        for cells in (zip(row, widths, strict=False) for row in rows)
    ]
    return "\n".join([title, *(f"  {each}".rstrip() for each in lines)])
