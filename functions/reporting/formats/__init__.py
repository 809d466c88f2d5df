"""Report formats: each is one module here, named as the format, with `CONTENT_TYPE` and `render`.

A new format is a new file. ``render(report)`` takes a `Report` and yields pieces of bytes, which together are the
report; it should hold no more than a few orders at a time.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import NamedTuple

from functions.reporting.domain import Report


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
