"""Report formats: each is one module here, named as the format, with `CONTENT_TYPE` and `render`.

A new format is a new file. ``render(report)`` takes a `Report` of any kind and yields pieces of bytes, which together
are the report; it should hold no more than a few rows at a time. A package of somebody else's adds a format as an entry
point of the group `GROUP` that leads to such a module (docs/write-a-report-format.md).

A format runs in a process of its own. What it raises ends that report, and nothing else.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from typing import Any, NamedTuple

from schemas.tienda.periodo import Periodo

GROUP = "alpes.report_formats"
TEXT, INTEGER, BIG, NUMBER, AMOUNT, TIME = "text", "integer", "big", "number", "amount", "time"
"""What the values of a column are: a text; a whole number of 64 bits; one of any size; a float; a decimal number as
text, in the units of the row's currency; a time as ISO 8601 in the report's zone. Any of them can be None."""
NUMBERS = frozenset({INTEGER, BIG, NUMBER, AMOUNT})
MOST_SHOWN = 1_000
"""Most rows of a report that is read, not processed."""


class Column(NamedTuple):
    """A column of a table.

    Attributes
    ----------
    name
        In the words of the query.
    type
        `TEXT`, `INTEGER`, `BIG`, `NUMBER`, `AMOUNT` or `TIME`.
    internal
        Whether it is for programs, so that tables for people leave it out.
    """

    name: str
    type: str
    internal: bool = False


class Table(NamedTuple):
    """Rows of one kind of report.

    Attributes
    ----------
    columns
        What the values of each row are.
    rows
        Yields them; can be iterated once.
    rest
        Passes over the rows that weren't taken yet, and returns how many they were; much faster than taking them.
    """

    columns: Sequence[Column]
    rows: Iterator[Sequence[Any]]
    rest: Callable[[], int] = lambda: 0


class Report(NamedTuple):
    """What a format renders. All its tables are of one moment.

    Attributes
    ----------
    name, about
        The kind of report, such as "orders", and what it lists.
    generated_at_ms
        Unix milliseconds.
    periodo
        What it covers, and the zone in which it shows times.
    filters
        What its orders have, by the filter's name.
    table
        What it lists.
    related
        Returns the table of another kind of report about the same orders; one without columns where that kind lacks a
        filter of this one, since it would be about others.
    alive
        Says that the report goes on, during work that yields nothing for long.
    """

    name: str
    about: str
    generated_at_ms: int
    periodo: Periodo
    filters: Mapping[str, str]
    table: Table
    related: Callable[[str], Table]
    alive: Callable[[], None] = lambda: None

    def described(self) -> dict[str, Any]:
        """Return what it is and covers: `from` and `to` are None where the period has no such end."""
        periodo = self.periodo
        return {
            "report": self.name,
            "generated_at_ms": self.generated_at_ms,
            "generated_at": periodo.shown(self.generated_at_ms),
            "from": periodo.shown(periodo.from_ms),
            "to": periodo.shown(periodo.to_ms),
            "tz": periodo.zone.key,
            "by": periodo.by,
            "filters": dict(self.filters),
        }


class Format(NamedTuple):
    """A report format.

    Attributes
    ----------
    content_type
        MIME type; empty if there is a problem.
    render
        Yields the report's bytes.
    problem
        Why it can't be used, and what to do; empty if it can.
    """

    content_type: str
    render: Callable[[Report], Iterator[bytes]]
    problem: str = ""


def loaders() -> dict[str, Callable[[], Format]]:
    """Return what loads each format, by name: the modules of this package, and what other packages add."""
    found = {
        entry.name: partial(_loaded, entry.load, f"the package {entry.dist.name if entry.dist else entry.value}")
        for entry in metadata.entry_points(group=GROUP)
    }
    for module in pkgutil.iter_modules(__path__):
        if not module.name.startswith("_"):
            load = partial(importlib.import_module, f"{__name__}.{module.name}")
            found[module.name.replace("_", "-")] = partial(_loaded, load, "")
    return dict(sorted(found.items()))


def formats() -> dict[str, Format]:
    """Return every format by name."""
    return {name: load() for name, load in loaders().items()}


def _loaded(load: Callable[[], Any], source: str) -> Format:
    """Load a format. Whatever is wrong with it is its problem alone."""
    try:
        module = load()
        return Format(str(module.CONTENT_TYPE), module.render)
    except ModuleNotFoundError as error:
        where = f"with what {source} needs" if source else "from requirements/reports.txt"
        problem = f"the Python of the function worker lacks {error.name}: install it there, {where}"
    except Exception as error:  # noqa: BLE001 -- any error of a format is its own
        problem = f"{source or 'it'} can't be loaded: {type(error).__name__}: {error}"
    return Format("", _nothing, problem)


def _nothing(_report: Report) -> Iterator[bytes]:
    return iter(())
