"""What a report is asked for with. Pure: values in, values out."""

from typing import NamedTuple


class Pedido(NamedTuple):
    """A report that was asked for."""

    report_id: str
    format: str
    traceparent: str
