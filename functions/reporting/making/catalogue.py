"""The report `formats`: which kinds of report and which formats there are, and what is missing for one."""

from collections.abc import Iterator, Mapping, Sequence

from functions.reporting.formats import TEXT, Column, Format, Table

from .kinds import Kind

NAME = "formats"
ABOUT = "The kinds of report and the formats that this Reporting has."
COLUMNS = ("what", "name", "about", "filters", "problem")


def table(kinds: Mapping[str, Kind], formats: Mapping[str, Format]) -> Table:
    """Return a row for each."""
    return Table([Column(name, TEXT) for name in COLUMNS], _rows(kinds, formats))


def _rows(kinds: Mapping[str, Kind], formats: Mapping[str, Format]) -> Iterator[Sequence[str]]:
    for kind in kinds.values():
        yield "report", kind.name, kind.about, " ".join(kind.filters), kind.problem
    for name, each in formats.items():
        yield "format", name, each.content_type, "", each.problem
