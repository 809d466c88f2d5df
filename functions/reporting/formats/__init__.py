"""Report formats: each is one module here, named as the format, with `CONTENT_TYPE` and `render`.

A new format is a new file. ``render(report)`` takes a `Report` and yields pieces of bytes, which together are the
report; it should hold no more than a few orders at a time.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from schemas.tienda.cambios import Cambio


class Report(NamedTuple):
    """What a format renders.

    Attributes
    ----------
    generated_at_ms
        Unix milliseconds.
    ordenes
        Every order, sorted by id, all of one moment. Can be iterated once.
    """

    generated_at_ms: int
    ordenes: Iterator[Cambio]


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
