"""Plots as inline SVG: lines and bars, drawn here, so that a page needs nothing from anywhere. Pure."""

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 720, 300
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 12, 40
COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#8250df", "#bf3989", "#0a7ea4", "#57606a")
Points = Sequence[tuple[float, float]]
MOST_POINTS = 600
LEGEND_ROW = 18


def lines(series: Mapping[str, Points], x: str, y: str, *, log_x: bool = False, nines: bool = False) -> str:
    """Draw lines.

    Parameters
    ----------
    series
        Points by name.
    x, y
        What the axes show, with units.
    log_x
        Whether the x axis is logarithmic; its values must be above 0.
    nines
        Whether the y axis shows percent up to 99.99, each nine as far from the last as it is from the next.

    Returns
    -------
    str
        An ``<svg>``, empty where there is nothing to draw.
    """
    drawn = {name: thinned(points) for name, points in series.items() if points}
    if not drawn:
        return ""
    xs = [_log(px) if log_x else px for points in drawn.values() for px, _ in points]
    ys = [_nines(py) if nines else py for points in drawn.values() for _, py in points]
    low_x, high_x = min(xs), max(xs)
    if log_x:
        low_x, high_x = math.floor(low_x), math.ceil(high_x + 1e-9)
    high_y = 4.0 if nines else max([*ys, 0.0])
    across = _Scale(low_x, high_x, LEFT, WIDTH - RIGHT)
    up = _Scale(0.0, high_y, HEIGHT - BOTTOM, TOP)
    parts = [_grid_y(up, nines=nines), _grid_x(across, log_x=log_x)]
    for number, (name, points) in enumerate(drawn.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(
            f"{across(_log(px) if log_x else px):.1f},{up(_nines(py) if nines else py):.1f}" for px, py in points
        )
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="1.6" points="{path}">'
            f"<title>{escape(name)}</title></polyline>"
        )
    return _framed(parts, x, y, list(drawn))


def bars(groups: Mapping[str, Mapping[str, float]], y: str) -> str:
    """Draw stacked bars.

    Parameters
    ----------
    groups
        For each bar by name: its parts by name.
    y
        What is shown, with its unit.
    """
    drawn = {name: parts for name, parts in groups.items() if parts}
    if not drawn:
        return ""
    kinds = list(dict.fromkeys(kind for parts in drawn.values() for kind in parts))
    up = _Scale(0.0, max(sum(parts.values()) for parts in drawn.values()), HEIGHT - BOTTOM, TOP)
    step = (WIDTH - LEFT - RIGHT) / len(drawn)
    out = [_grid_y(up)]
    for place, (name, parts) in enumerate(drawn.items()):
        left, below = LEFT + place * step + 0.15 * step, 0.0
        for kind in kinds:
            if kind in parts:
                top, base = up(below + parts[kind]), up(below)
                colour = COLOURS[kinds.index(kind) % len(COLOURS)]
                out.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{0.7 * step:.1f}" height="{base - top:.1f}" '
                    f'fill="{colour}"><title>{escape(f"{name}, {kind}: {parts[kind]:,.4g}")}</title></rect>'
                )
                below += parts[kind]
        out.append(_text(left + 0.35 * step, HEIGHT - BOTTOM + 14, _short(name, step), "middle"))
    return _framed(out, "", y, kinds)


def thinned(points: Points) -> Points:
    """Return at most `MOST_POINTS` of a line's points, the first and the last among them."""
    if len(points) <= MOST_POINTS:
        return points
    last = len(points) - 1
    return [points[round(n * last / (MOST_POINTS - 1))] for n in range(MOST_POINTS)]


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about so many."""
    if high <= low:
        return [low]
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * nice for nice in (1, 2, 5, 10) if size * nice >= rough)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


class _Scale:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high = low, high if high > low else low + 1.0
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        return self._start + (value - self.low) / (self.high - self.low) * (self._end - self._start)


def _log(value: float) -> float:
    return math.log10(max(value, 1e-3))


def _nines(percent: float) -> float:
    return min(4.0, -math.log10(max(1e-4, 1 - percent / 100)))


def _grid_y(up: _Scale, *, nines: bool = False) -> str:
    marks = (
        [(_nines(p), f"{p:g} %") for p in (50, 90, 99, 99.9)] if nines else [(v, _number(v)) for v in ticks(0, up.high)]
    )
    return "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{up(at):.1f}" y2="{up(at):.1f}" class="grid"/>'
        + _text(LEFT - 6, up(at) + 4, label, "end")
        for at, label in marks
    )


def _grid_x(across: _Scale, *, log_x: bool) -> str:
    if log_x:
        marks = [(float(n), _number(10.0**n)) for n in range(math.floor(across.low), math.ceil(across.high) + 1)]
    else:
        marks = [(at, _number(at)) for at in ticks(across.low, across.high, 8)]
    return "".join(
        f'<line x1="{across(at):.1f}" x2="{across(at):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" class="grid"/>'
        + _text(across(at), HEIGHT - BOTTOM + 14, label, "middle")
        for at, label in marks
    )


def _framed(parts: Sequence[str], x: str, y: str, names: Sequence[str]) -> str:
    rows = _rows(names)
    height = HEIGHT + LEGEND_ROW * len(rows)
    legend = "".join(
        f'<rect x="{at}" y="{HEIGHT + LEGEND_ROW * row - 4}" width="10" height="10" fill="{colour}"/>'
        + _text(at + 14, HEIGHT + LEGEND_ROW * row + 5, name, "start")
        for row, placed in enumerate(rows)
        for name, at, colour in placed
    )
    axes = _text(WIDTH - RIGHT, HEIGHT - 10, x, "end") + (
        f'<text transform="translate(12 {HEIGHT / 2 - 10}) rotate(-90)" text-anchor="middle">{escape(y)}</text>'
    )
    label = escape(f"{y} {x}".strip())
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">{"".join(parts)}{axes}{legend}</svg>'


def _rows(names: Sequence[str]) -> list[list[tuple[str, int, str]]]:
    rows: list[list[tuple[str, int, str]]] = [[]]
    at = LEFT
    for number, name in enumerate(names):
        width = 26 + 7 * len(name)
        if rows[-1] and at + width > WIDTH:
            rows.append([])
            at = LEFT
        rows[-1].append((name, at, COLOURS[number % len(COLOURS)]))
        at += width
    return rows


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def _short(name: str, width: float) -> str:
    most = max(3, int(width / 6.5))
    return name if len(name) <= most else name[: most - 1] + "…"
