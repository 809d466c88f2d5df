"""The request for a report. Pure: values in, values out."""

from typing import NamedTuple


class Pedido(NamedTuple):
    """A report that was asked for."""

    report_id: str
    format: str
    traceparent: str
