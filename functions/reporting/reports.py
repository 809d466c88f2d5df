"""Has reports made beside the events: publishes their parts as they come, and returns the last one as the answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from logging import Logger
from typing import Protocol

from alpes_runtime import Event, Retry
from alpes_runtime.errors import Refused
from schemas.tienda.periodo import periodo

from . import child, messages
from .child import DatabaseAway, GivenUp, Limits, Stopped
from .domain import Pedido
from .making.frames import Kind
from .making.request import Request

PART_BYTES = 500_000
"""Size from which a report continues in another part."""
SIGN_S = 10.0
"""After so long a part goes out, with what there is: whoever waits sees that the report goes on."""


class Publisher(Protocol):
    """See `alpes_runtime.EarlyPublisher`."""

    def publish(self, events: Sequence[Event]) -> bool:
        """Publish events; False if the instance stops first."""
        ...


@dataclass(frozen=True)
class Reports:
    """Makes one report per thread.

    Parameters
    ----------
    topic
        Where `reporte-generado` goes.
    publisher
        Publishes the parts but the last.
    dsn
        Returns the DSN of Reporting's database.
    application
        How a report's connection is called in ``pg_stat_activity``.
    limits
        What a report may use.
    now_ms
        Returns the time in Unix milliseconds.
    stopping
        Whether the instance is to end.
    logger
        Logs reports that are given up.
    """

    topic: str
    publisher: Publisher
    dsn: Callable[[], str]
    application: str
    limits: Limits
    now_ms: Callable[[], int]
    stopping: Callable[[], bool]
    logger: Logger

    def ask(self, pedido: Pedido) -> Event | Retry:
        """Make a report.

        Returns
        -------
        Event or Retry
            Its last part, or the one that says why there is none. A `Retry` where the database is away; its last part
            never comes then, and another making of the report follows.
        """
        asked = periodo(pedido.start, pedido.end, pedido.tz, pedido.by)
        made_at_ms = self.now_ms()
        parts = messages.Parts(self.topic, pedido, made_at_ms, asked)
        request = Request(
            report=pedido.report or messages.ORDERS,
            format=pedido.format,
            filters=dict(pedido.filters),
            generated_at_ms=made_at_ms,
            from_ms=asked.from_ms,
            to_ms=asked.to_ms,
            tz=asked.zone.key,
            by=asked.by,
            seconds=self.limits.seconds,
            dsn=self.dsn(),
            application=self.application,
        )
        try:
            return self._made(request, parts)
        except Stopped:
            return Retry("stopped", "the instance ends", until_known=True)
        except DatabaseAway as error:
            return Retry("unavailable", f"report {pedido.report_id}: {error}", until_known=True)
        except (GivenUp, Refused) as error:
            told = getattr(error, "told", "")
            self.logger.warning("Gave up the report %s: %s%s", pedido.report_id, error, told and f"\n{told}")
            return parts.failed(f"Reporting gave up this report: {error}")

    def _made(self, request: Request, parts: messages.Parts) -> Event:
        pending = bytearray()
        sent = time.monotonic()
        for kind, data in child.frames(request, self.limits, self.stopping):
            overdue = parts.content_type and time.monotonic() - sent >= SIGN_S
            if len(pending) >= PART_BYTES or overdue:
                if not self.publisher.publish([parts.part(bytes(pending))]):
                    raise Stopped
                pending.clear()
                sent = time.monotonic()
            match kind:
                case Kind.CONTENT_TYPE:
                    parts.content_type = data.decode()
                case Kind.CONTENT:
                    pending += data
                case Kind.WHOLE:
                    return parts.last(bytes(pending))
                case Kind.REFUSED:
                    return parts.failed(data.decode())
                case Kind.UNAVAILABLE:
                    raise DatabaseAway(data.decode())
        raise GivenUp("its process ended early")
