"""The request for a report. Pure: values in, values out."""

from typing import NamedTuple


class Pedido(NamedTuple):
    """A report that was asked for.

    Attributes
    ----------
    start, end, tz, by
        The period, as the command's `from`, `to`, `tz` and `by` say it; empty where they say nothing.
    report
        The kind of report; empty where the command names none.
    filters
        What the orders must have: pairs of a filter's name and its value.
    """

    report_id: str
    format: str
    traceparent: str
    start: str = ""
    end: str = ""
    tz: str = ""
    by: str = ""
    report: str = ""
    filters: tuple[tuple[str, str], ...] = ()
