"""The kinds of report: each is one query in `sql/reports/`, and its file's name is the kind's, with hyphens."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from alpes_runtime import load_queries
from schemas.tienda import rules
from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.periodo import BY, Periodo

from .errors import ReportRefused

SQL = Path(__file__).parents[1] / "sql"
_ABOUT = re.compile(r"(?:^-- (?!name:).*\n)+", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")
_LIMITS = tuple(f"{by}_{end}_ms" for by in BY for end in ("from", "to"))
_IN_SQL = {"CET": "Europe/Brussels", "EET": "Europe/Athens", "MET": "Europe/Brussels", "WET": "Europe/Lisbon"}
"""Zones whose names PostgreSQL takes for abbreviations of a fixed offset, with those that tzdata links them to."""


class Kind(NamedTuple):
    """A kind of report.

    Attributes
    ----------
    about
        What it lists, for people.
    query
        Its statement, with the orders of the period and the filters before it.
    filters
        The filters' names.
    problem
        Why it can't be used; empty if it can.
    """

    name: str
    about: str = ""
    query: str = ""
    filters: tuple[str, ...] = ()
    problem: str = ""


def kinds(folder: Path = SQL / "reports") -> dict[str, Kind]:
    """Return every kind of report by name; a file that can't be read as one says so in its `Kind.problem`."""
    return {kind.name: kind for kind in map(_kind, sorted(folder.glob("*.sql")))}


def _kind(path: Path) -> Kind:
    name = path.stem.replace("_", "-")
    try:
        queries = load_queries(path)
    except OSError as error:
        return Kind(name, problem=f"{path.name} can't be read: {error.strerror}")
    except UnicodeDecodeError as error:
        return Kind(name, problem=f"{path.name}: it isn't UTF-8: {error}")
    except ValueError as error:
        return Kind(name, problem=str(error))
    if len(queries) > 1:
        return Kind(name, problem=f"{path.name}: it has {len(queries)} queries; a report is one")
    (query,) = queries.values()
    about = _ABOUT.match(path.read_text(encoding="utf-8"))
    text = f"{load_queries(SQL / 'pedidas.sql')['pedidas']}\n{query}"
    filters = sorted(set(_PARAMETER.findall(text)) - {"tz", "by", *_LIMITS})
    told = " ".join(line.removeprefix("-- ") for line in about.group().splitlines()) if about else ""
    return Kind(name, told, text, tuple(filters))


def parameters(kind: Kind, periodo: Periodo, filters: Mapping[str, str]) -> dict[str, str | int | None]:
    """Return the parameters of a kind's query: a period limits one of an order's times, a filter that isn't set none.

    Raises
    ------
    ReportRefused
        The kind has no such filter, or no order such a status or currency; the text says what there is.
    """
    if unknown := sorted(set(filters) - set(kind.filters)):
        raise ReportRefused(
            f"the report {kind.name} has no filter {unknown[0]!r}; there are: {', '.join(kind.filters)}"
        )
    if (status := filters.get("status")) is not None and (problem := rules.status_problem(status, FINAL_STATUSES)):
        raise ReportRefused(f"the filter's {problem}")
    if (currency := filters.get("currency")) is not None and (problem := rules.currency_problem(currency)):
        raise ReportRefused(f"the filter's {problem}")
    values: dict[str, str | int | None] = dict.fromkeys((*kind.filters, *_LIMITS))
    values |= {f"{periodo.by}_from_ms": periodo.from_ms, f"{periodo.by}_to_ms": periodo.to_ms}
    tz = _IN_SQL.get(periodo.zone.key, periodo.zone.key)
    return values | {"tz": tz, "by": periodo.by} | dict(filters)
