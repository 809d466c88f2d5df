"""The plots of the page: SVG by pygal, whose colours are left to the page's style sheet."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pygal
from pygal.style import Style

_SCRIPT = re.compile(r"<script.*?</script>", re.DOTALL)
"""What pygal adds for its own JavaScript, which the page hasn't."""
MOST_LABELS = 5
"""Labels of the axis of times: more would overlap on a phone."""
_STYLE = Style(
    background="transparent",
    plot_background="transparent",
    foreground="var(--ink)",
    foreground_strong="var(--ink)",
    foreground_subtle="var(--quiet)",
    opacity="1",
    opacity_hover="1",
    colors=tuple(f"var(--plot-{n})" for n in range(1, 6)),
    font_family="inherit",
    label_font_size=14,
    major_label_font_size=14,
)
_COMMON: dict[str, Any] = {
    "style": _STYLE,
    "js": (),
    "disable_xml_declaration": True,
    "pretty_print": False,
    "show_legend": False,  # the page has it, in its own letters
    "width": 760,
    "height": 320,
    "margin": 10,
    "no_prefix": True,
    "explicit_size": False,
    "print_values": False,
    "x_label_rotation": 0,
    "truncate_label": 20,
    "min_scale": 3,
    "max_scale": 6,
}


def over_time(labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return a plot of stacked bars, one for each time."""
    return _drawn(pygal.StackedBar(**_COMMON, spacing=0, rounded_bars=0, value_formatter=_whole), labels, series)


def lines(labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    """Return a plot of lines of durations in ms, on a logarithmic scale."""
    chart = pygal.Line(**_COMMON, show_dots=False, logarithmic=True, stroke_style={"width": 3}, value_formatter=_whole)
    return _drawn(chart, labels, series)


def shares(labels: Sequence[str], counts: Sequence[int]) -> str:
    """Return a plot of one bar for each outcome."""
    height = 60 + 50 * max(1, len(labels))
    chart = pygal.HorizontalBar(**{**_COMMON, "height": height}, value_formatter=_whole)
    return _drawn(chart, [], {label: [count] for label, count in zip(labels, counts, strict=True)})


def _drawn(chart: Any, labels: Sequence[str], series: Mapping[str, Sequence[float]]) -> str:
    if labels:
        chart.x_labels = [label[5:] for label in labels]  # the year is in the words beside the plot
        chart.x_labels_major = chart.x_labels[:: -(-len(labels) // MOST_LABELS)]
        chart.show_minor_x_labels = False
    for name, values in series.items():
        chart.add(name, list(values))
    return _SCRIPT.sub("", str(chart.render(is_unicode=True)))


def _whole(value: float) -> str:
    return f"{value:,.0f}"
