"""Finds the kind of report and the format that are asked for, and renders the one in the other."""

from collections.abc import Callable, Iterator, Mapping

from functions.reporting.formats import Format, Report, Table, formats, loaders

from . import catalogue, rows
from .errors import ReportRefused
from .kinds import kinds
from .request import Request


def pieces(request: Request, alive: Callable[[], None], begin: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the report's bytes.

    Parameters
    ----------
    request
        What is asked for.
    alive
        Called now and then while nothing is yielded.
    begin
        Called with the MIME type before the first byte.

    Raises
    ------
    ReportRefused
        There is no such kind, format or filter, or the format can't be used here.
    psycopg.Error
        The database is away, or fails.
    """
    chosen = _chosen(loaders(), request.format)
    of_kinds = kinds()
    if request.report == catalogue.NAME:
        begin(chosen.content_type)
        listed = catalogue.table(of_kinds, formats())
        yield from chosen.render(_report(request, catalogue.ABOUT, listed, _no_table, alive))
        return
    kind = of_kinds.get(request.report)
    if kind is None:
        raise ReportRefused(
            f"there is no report {request.report!r}; there are: {', '.join([*of_kinds, catalogue.NAME])}"
        )
    if kind.problem:
        raise ReportRefused(f"the report {kind.name} can't be used: {kind.problem}")
    with rows.opened(request, alive) as tables:

        def related(name: str) -> Table:
            other = of_kinds[name]
            fits = not other.problem and set(request.filters) <= set(other.filters)
            return tables.table(other) if fits else _no_table(name)

        table = tables.table(kind)
        begin(chosen.content_type)
        yield from chosen.render(_report(request, kind.about, table, related, alive))


def _chosen(every: Mapping[str, Callable[[], Format]], name: str) -> Format:
    load = every.get(name)
    if load is None:
        raise ReportRefused(f"there is no report format {name!r}; there are: {', '.join(every)}")
    found = load()
    if found.problem:
        raise ReportRefused(f"the format {name} can't be used: {found.problem}")
    return found


def _report(
    request: Request, about: str, table: Table, related: Callable[[str], Table], alive: Callable[[], None]
) -> Report:
    return Report(
        name=request.report,
        about=about,
        generated_at_ms=request.generated_at_ms,
        periodo=request.periodo(),
        filters=request.filters,
        table=table,
        related=related,
        alive=alive,
    )


def _no_table(_name: str) -> Table:
    return Table((), iter(()))
