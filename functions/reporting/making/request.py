"""What the process that makes a report is told: one line of JSON."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.tienda import times
from schemas.tienda.periodo import Periodo


@dataclass(frozen=True)
class Request:
    """A report to make.

    Parameters
    ----------
    report, format
        Names of a kind of report and of a format.
    filters
        Values by the filters' names.
    generated_at_ms
        Unix milliseconds.
    from_ms, to_ms, tz, by
        See `Periodo`.
    seconds
        How long it may take.
    dsn
        Of Reporting's database; not shown by ``repr``.
    application
        How the connection is called in ``pg_stat_activity``.
    """

    report: str
    format: str
    filters: Mapping[str, str]
    generated_at_ms: int
    from_ms: int | None
    to_ms: int | None
    tz: str
    by: str
    seconds: float
    dsn: str = field(repr=False)
    application: str = "alpes report"

    def encoded(self) -> bytes:
        """Return the request as it is sent."""
        return json.dumps(dataclasses.asdict(self)).encode() + b"\n"

    @classmethod
    def decoded(cls, line: bytes) -> "Request":
        """Return the request that was sent."""
        return cls(**json.loads(line))

    def periodo(self) -> Periodo:
        """Return the period that the report covers."""
        return Periodo(self.from_ms, self.to_ms, times.zone(self.tz), self.by)
