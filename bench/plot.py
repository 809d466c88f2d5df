"""Draws figures over time as an SVG: panels above each other with one axis of time. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, PANEL_HEIGHT, GAP = 900, 150, 46
LEFT, RIGHT, TOP = 70, 150, 30
COLOURS = ("#1f5fa8", "#c4501b", "#2e7d4f", "#7a3e9d")
"""Dark enough on white for 4.5:1."""
DASHES = ("", "6 3", "2 2", "8 3 2 3")
"""So that lines differ without their colours, too."""


@dataclass(frozen=True)
class Line:
    """One figure over time.

    Attributes
    ----------
    name : str
        What it is.
    points : sequence of (float, float)
        Seconds, and the figure.
    steps : bool
        Whether it keeps its value until the next point.
    """

    name: str
    points: Sequence[tuple[float, float]]
    steps: bool = False


@dataclass(frozen=True)
class Panel:
    """Lines with one scale.

    Attributes
    ----------
    title : str
        What they show, with the unit.
    lines : sequence of Line
        The lines.
    logarithmic : bool
        Whether the scale is logarithmic; figures below 1 are drawn as 1.
    """

    title: str
    lines: Sequence[Line]
    logarithmic: bool = False


def svg(panels: Sequence[Panel], seconds: float) -> str:
    """Return the picture of some panels, from 0 to so many seconds."""
    height = TOP + len(panels) * (PANEL_HEIGHT + GAP)
    size = f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL_HEIGHT + GAP), seconds)
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel, top: float, seconds: float) -> Iterable[str]:
    highest = max((value for line in panel.lines for _, value in line.points), default=0.0)
    ticks = list(_powers(highest) if panel.logarithmic else _round_steps(highest))

    def y(value: float) -> float:
        share = value / ticks[-1]
        if panel.logarithmic:
            share = math.log10(max(1.0, value)) / math.log10(ticks[-1])
        return top + PANEL_HEIGHT * (1 - share)

    def x(at_s: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * at_s / seconds

    yield f'<text x="{LEFT}" y="{top - 8:.0f}" font-weight="bold">{escape(panel.title)}</text>'
    for tick in ticks:
        yield f'<path d="M{LEFT} {y(tick):.1f}H{WIDTH - RIGHT}" stroke="#ccc"/>'
        yield f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:,g}</text>'
    for at_s in range(0, int(seconds) + 1, 60):
        yield f'<text x="{x(at_s):.1f}" y="{top + PANEL_HEIGHT + 16:.0f}" text-anchor="middle">{at_s} s</text>'
    for number, line in enumerate(panel.lines):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        path = _path([(x(at_s), y(value)) for at_s, value in line.points], steps=line.steps)
        style = f'fill="none" stroke="{colour}" stroke-width="1.8" stroke-dasharray="{dash}"'
        yield f'<path d="{path}" {style}/>'
        place = top + 12 + 18 * number
        yield f'<path d="M{WIDTH - RIGHT + 10} {place - 4}h24" {style}/>'
        yield f'<text x="{WIDTH - RIGHT + 40}" y="{place}">{escape(line.name)}</text>'


def _path(points: Sequence[tuple[float, float]], *, steps: bool) -> str:
    """Return a path through points; with `steps`, along one axis at a time."""
    words = []
    for number, (x, y) in enumerate(points):
        if steps and number:
            words.append(f"H{x:.1f}V{y:.1f}")
        else:
            words.append(f"{'L' if number else 'M'}{x:.1f} {y:.1f}")
    return "".join(words)


def _powers(highest: float) -> Iterable[float]:
    """Yield 1, 10, 100, …, up to the first one that isn't below the highest."""
    last = max(1, math.ceil(math.log10(max(highest, 10.0))))
    return (10.0**power for power in range(last + 1))


def _round_steps(highest: float) -> Iterable[float]:
    """Yield some round numbers from 0 up to the first one that isn't below the highest."""
    rough = max(highest, 1.0) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = max(1.0, next(each * size for each in (1, 2, 5, 10) if each * size >= rough))
    return (step * number for number in range(math.ceil(max(highest, 1.0) / step) + 1))
