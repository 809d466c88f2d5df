"""A result as one HTML page that needs nothing but itself: tables, and plots as inline SVG. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bench import summary, svg
from bench.cpu import by_kind
from bench.hops import END_TO_END
from bench.results import Result, Run

STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1f2328; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; margin: .5rem 0; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .7rem; border-bottom: 1px solid #d0d7de; text-align: right; }
th:first-child, td:first-child { text-align: left; } th { font-weight: 600; }
svg { width: 100%; height: auto; } svg text { font: 11px system-ui, sans-serif; fill: #57606a; }
.grid { stroke: #d8dee4; stroke-width: 1; } .scroll { overflow-x: auto; }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto; font-size: 12px; }
.missing { border-left: 4px solid #9a6700; padding-left: .8rem; }
"""


def page(result: Result) -> str:
    """Return the page."""
    git = result.environment.get("git", {})
    revision = f", revision {git['revision'][:12]}{' with changes' if git.get('changed') else ''}" if git else ""
    title = f"Alpes: {result.command}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(result.started_at)}{escape(revision)}. <code>{escape(command_line(result))}</code></p>",
        *_section("Runs", _table(summary.runs(result.runs))),
        *_section("Orders that ended in each second", throughput(result.runs)),
        *_section("Latency, end to end", latency(result.runs)),
        *(part for run in result.runs if run.latencies for part in _steps(run)),
        *_section("Latency by window", windows(result.runs)),
        *_section("Scaling", scaling(result)),
        *_section("CPU per order by process", processes(result.runs), _table(summary.cpu(result.runs))),
        *_section("Messages per commit | per entry", _table(summary.groups(result.runs))),
        *_section("Memory by process", memory(result.runs)),
        *_section("Size of tables", sizes(result.runs)),
        *_section("The state store behind the tables", state(result.runs), _table(summary.state(result.runs))),
        *_section("Ratios", _table(summary.ratios(result.ratios))),
        *_section(
            "Figures",
            _table([["figure", "value"], *([name, summary.shown(v)] for name, v in summary.flat(result.figures))])
            if result.figures
            else "",
        ),
        *_section("Not measured", _missing(result.missing)),
        *_section("On what", f"<pre>{escape(json.dumps(result.environment, indent=1, ensure_ascii=False))}</pre>"),
    ]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body>\n" + "\n".join(parts) + "\n</body></html>\n"
    )


def command_line(result: Result) -> str:
    """Return the command that made a result, with those options that say what was measured."""
    words = ["python -m bench", result.command]
    for name, value in result.options.items():
        option = f"--{name.replace('_', '-')}"
        if name == "command" or value is None or value is False:
            continue
        if value is True:
            words.append(option)
        else:
            words += [option, ",".join(map(str, value)) if isinstance(value, list) else str(value)]
    return " ".join(words)


def throughput(runs: Sequence[Run]) -> str:
    """Plot how many orders ended in each second, from a run's first order on."""
    # The last second isn't whole.
    series = {run.name: list(enumerate(map(float, run.ended_per_second[:-1]), 1)) for run in runs}
    return svg.lines({name: [(float(x), y) for x, y in points] for name, points in series.items()}, "s", "orders/s")


def latency(runs: Sequence[Run]) -> str:
    """Plot the cumulative distribution of end-to-end latencies."""
    return svg.lines(
        {run.name: _curve(run, END_TO_END) for run in runs if END_TO_END in run.latencies},
        "ms",
        "of the orders",
        log_x=True,
        nines=True,
    )


def windows(runs: Sequence[Run]) -> str:
    """Plot p50 and p99 of each window."""
    series: dict[str, svg.Points] = {}
    for run in runs:
        if len(run.windows) > 2:
            for percentile in (50.0, 99.0):
                series[f"{run.name}, p{percentile:g}"] = [
                    (n * run.window_s, window.at(percentile) / 1e3)
                    for n, window in enumerate(run.windows)
                    if window.count
                ]
    return svg.lines(series, "s", "ms")


def scaling(result: Result) -> str:
    """Plot orders a second of each case, for a result of `scaling`."""
    if result.command != "scaling":
        return ""
    return svg.bars({run.name: {"orders/s": run.per_second} for run in result.runs}, "orders/s")


def processes(runs: Sequence[Run]) -> str:
    """Plot what an order cost in each process."""
    return svg.bars({run.name: by_kind(run.cpu_us_per_order()) for run in runs}, "µs of CPU per order")


def memory(runs: Sequence[Run]) -> str:
    """Plot the memory of each process over the last run that was looked at."""
    return _sampled(runs, "memory_bytes", "MB")


def sizes(runs: Sequence[Run]) -> str:
    """Plot the size of each table over the last run that was looked at."""
    return _sampled(runs, "table_bytes", "MB")


def state(runs: Sequence[Run]) -> str:
    """Plot how far the state store was behind."""
    series = {
        run.name: [(sample.at_s, sample.state_age_s) for sample in run.samples if sample.state_age_s is not None]
        for run in runs
    }
    return svg.lines(series, "s", "s behind")


def _sampled(runs: Sequence[Run], attribute: str, unit: str) -> str:
    looked = [run for run in runs if len(run.samples) > 1 and any(getattr(s, attribute) for s in run.samples)]
    if not looked:
        return ""
    series: dict[str, list[tuple[float, float]]] = {}
    for sample in looked[-1].samples:
        values: Mapping[str, int] = getattr(sample, attribute)
        for name, value in values.items():
            series.setdefault(name, []).append((sample.at_s, value / 1e6))
    return f"<p>{escape(looked[-1].name)}</p>" + svg.lines(series, "s", unit)


def _steps(run: Run) -> Iterable[str]:
    curves = {step: _curve(run, step) for step in run.latencies}
    return _section(
        f"Latency by step, {run.name}",
        svg.lines(curves, "ms", "of the orders", log_x=True, nines=True),
        _table(summary.latencies(run)),
    )


def _curve(run: Run, step: str) -> list[tuple[float, float]]:
    histogram = run.latencies[step]
    # A logarithmic axis has no zero.
    return [(max(us, 100) / 1e3, percent) for percent, us in histogram.curve()] if histogram.count else []


def _section(title: str, *parts: str) -> list[str]:
    shown = [part for part in parts if part]
    return [f"<h2>{escape(title)}</h2>", *shown] if shown else []


def _table(rows: Sequence[Sequence[Any]]) -> str:
    if not rows:
        return ""
    head, *body = rows
    cells = "".join(f"<th>{escape(str(cell))}</th>" for cell in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in body)
    return f'<div class="scroll"><table><tr>{cells}</tr>{lines}</table></div>'


def _missing(lines: Sequence[str]) -> str:
    return '<ul class="missing">' + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>" if lines else ""
