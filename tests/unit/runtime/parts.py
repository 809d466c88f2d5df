"""Parts for the runtime's tests: messages, a handler that keeps what it gets, and the stages on fakes."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from alpes_runtime import testing
from alpes_runtime._committer import Committer
from alpes_runtime._context import InstanceContext
from alpes_runtime._message import Event, Received
from alpes_runtime._outcome import Done, Handler, Outcome, Retry
from alpes_runtime.clock import Clock
from alpes_runtime.config import FunctionConfig
from alpes_runtime.database import Row, Transaction
from alpes_runtime.errors import InvalidMessage
from alpes_runtime.testing import Acknowledged, FakeHost, FakeMessage
from tests.fakes import FakeDatabase, FakeSubscription
from tests.simulation.server import View

TOPIC = "persistent://alpes/tienda/crear-orden"
OTHER = "persistent://alpes/tienda/transaccion-creada"
RETRY = "persistent://alpes/tienda/ordenes-reintento"
OUT = "persistent://alpes/tienda/orden-creada"
LOG = logging.getLogger("tests")


def received(
    payload: bytes = b"a",
    *,
    role: str = "crear-orden",
    topic: str = TOPIC,
    key: str = "",
    properties: Mapping[str, str] | None = None,
    retried: bool = False,
    acknowledger: Any = None,
) -> Received:
    message = FakeMessage(payload, key or payload[:20].decode("latin-1"), properties)
    return Received(role, topic, message, Acknowledged() if acknowledger is None else acknowledger, retried=retried)


def keep(view: View, params: Mapping[str, Any]) -> list[Row]:
    return [(key,) for key in params["keys"] if view.insert("kept", key, {})]


def database(kind: type[FakeDatabase] = FakeDatabase) -> FakeDatabase:
    """Return a database that keeps the keys given to its one statement, ``keep``."""
    return kind({"keep": keep})


def decode(message: Received) -> str:
    text = message.data.decode("latin-1")
    if text.startswith("bad"):
        raise InvalidMessage(f"{text} is no message")
    if text.startswith("crash"):
        raise ZeroDivisionError(text)
    return text


def apply(transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
    """Keep each text, and cause one event with it; ``early…`` comes too early, ``bug…`` raises."""
    for text in batch:
        if text.startswith("bug"):
            raise ZeroDivisionError(text)
    transaction.execute("keep", {"keys": [text for text in batch if not text.startswith("early")]})
    return [
        Retry("early", f"{text} is early")
        if text.startswith("early")
        else Done((Event(OUT, text, text.encode("latin-1")),))
        for text in batch
    ]


HANDLER = Handler(decode, apply)


class Config(FunctionConfig):
    retry_suffix = "-reintento"


def instance_context(*, clock: Clock | None = None, client: Any = None, **keys: Any) -> InstanceContext:
    """Return the context of an instance of Ordenes; ``keys`` are of its userConfig."""
    host = FakeHost("ordenes", inputs=[OTHER, TOPIC, RETRY], client=client, logger=LOG)
    return testing.instance_context(Config(dsn_env="NONE", **keys), host=host, clock=clock)


def recorded(context: InstanceContext, metric: str) -> list[float]:
    """Return every value of a user metric, in order."""
    host: Any = context.host
    return [value for name, value in host.recorded if name == metric]


def committer(
    store: FakeDatabase,
    *,
    handler: Handler[Any] = HANDLER,
    handlers: Mapping[str, Handler[Any]] | None = None,
    context: InstanceContext | None = None,
    on_halt: Callable[[str], None] = lambda _role: None,
) -> Committer:
    return Committer(
        context or instance_context(retry_max_attempts=3),
        handlers or {"crear-orden": handler, "transaccion-creada": handler},
        store,
        on_halt,
    )


def subscription(*payloads: bytes, topic: str = TOPIC) -> FakeSubscription:
    made = FakeSubscription(topic)
    for payload in payloads:
        made.publish(payload, payload.decode("latin-1"))
    return made
