"""Report formats: each is one module here, named as the format, with `CONTENT_TYPE` and `render`.

A new format is a new file. ``render(report)`` takes a `Report` and yields pieces of bytes, which together are the
report; it should hold no more than a few orders at a time.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schemas.tienda import money
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import Periodo
from schemas.tienda.times import iso


class Report(NamedTuple):
    """What a format renders.

    Attributes
    ----------
    generated_at_ms
        Unix milliseconds.
    periodo
        What it covers, and the zone in which it shows times.
    ordenes
        Every order of the period, sorted by id, all of one moment. Can be iterated once.
    """

    generated_at_ms: int
    periodo: Periodo
    ordenes: Iterator[Cambio]


def readable(orden: Cambio, zone: ZoneInfo) -> dict[str, str]:
    """Return an order's numbers as people read them: times as ISO 8601 in a zone, the amount with its decimals."""
    return {
        "created_at": iso(orden.created_at_ms, zone),
        "updated_at": iso(orden.updated_at_ms, zone),
        "total": money.total(orden.total_cents, orden.currency),
    }


class Format(NamedTuple):
    """A report format."""

    content_type: str
    render: Callable[[Report], Iterator[bytes]]


def formats() -> dict[str, Format]:
    """Return every format by name, as the modules of this package define them."""
    found: dict[str, Format] = {}
    for module in pkgutil.iter_modules(__path__):
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found[module.name] = Format(loaded.CONTENT_TYPE, loaded.render)
    return found
