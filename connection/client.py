"""Opens the connection to Pulsar; an error says in one line why there is none."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pulsar

from alpes_wire import (
    EARLIEST,
    Endpoint,
    Forbidden,
    MessageId,
    Reader,
    Unauthenticated,
    WireError,
    acknowledge,
    connect,
)
from connection.errors import (
    BrokerUnreachableError,
    ForbiddenError,
    NotFoundError,
    PulsarError,
    SecurityError,
    UnreachableError,
)
from connection.security import Security, from_environment, who
from schemas.tienda.topics import CREAR_ORDEN, full_name

HANDSHAKE_TIMEOUT_S = 10.0
"""For a connection of the library's. On a busy machine a freshly started broker needs longer than its port does."""
# A broker under load answers a lookup within this. What listens but isn't Pulsar may never answer.
LOOKUP_TIMEOUT_S = 5.0
OPERATION_TIMEOUT_S = 10
NEW_TOPIC_TIMEOUT_S = 30
"""For the first producer or consumer of a topic that was just created, on a broker that may be cold."""


class Client(pulsar.Client):
    """The library's client, with readers of our own: a malformed entry ends a process that reads with the library's.

    Parameters
    ----------
    service_url
        See `opened`.
    operation_timeout_s
        See `opened`.
    security
        How to authenticate, and whom to trust; the environment says so by default.

    Attributes
    ----------
    endpoint : alpes_wire.Endpoint
        Where readers and consumers of our own connect.
    """

    def __init__(
        self, service_url: str, *, operation_timeout_s: int = OPERATION_TIMEOUT_S, security: Security | None = None
    ) -> None:
        security = security or from_environment()
        super().__init__(
            service_url,
            # The library logs a lot to stdout; what matters reaches us as exceptions.
            logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, os.devnull),
            operation_timeout_seconds=operation_timeout_s,
            connection_timeout_ms=int(HANDSHAKE_TIMEOUT_S * 1000),
            **security.library(),
        )
        self.endpoint = security.endpoint(service_url)
        self._security = security

    def create_producer(self, topic: str, *args: Any, **options: Any) -> pulsar.Producer:
        """Open a producer. Raises `ForbiddenError` if the broker doesn't let us."""
        try:
            return super().create_producer(topic, *args, **options)
        except pulsar.AuthorizationError as error:
            raise ForbiddenError(f"{who(self._security.role())} may not produce to {topic}.") from error

    def open_reader(self, partition: str, start: MessageId = EARLIEST) -> Reader:
        """Open a reader of a partition; see `alpes_wire.Reader`."""
        return Reader(self.endpoint, partition, start)

    def acknowledge(self, partition: str, subscription: str, entry: MessageId) -> None:
        """Acknowledge a whole entry for a subscription; see `alpes_wire.acknowledge`."""
        acknowledge(self.endpoint, partition, subscription, [entry])


@contextmanager
def opened(service_url: str, *, operation_timeout_s: int = OPERATION_TIMEOUT_S) -> Iterator[Client]:
    """Connect to a Pulsar for the length of a `with` block, and translate the library's errors into ours.

    Parameters
    ----------
    service_url
        Such as `pulsar://127.0.0.1:6650`; several brokers are separated by commas.
    operation_timeout_s
        How long the library tries to open a producer or a consumer, in seconds.

    Raises
    ------
    UnreachableError
        If nothing answers there as Pulsar does. This is known within a few seconds.
    SecurityError
        If one side doesn't accept the other's certificate or token.
    ForbiddenError
        If the broker knows us, and doesn't allow something.
    NotFoundError
        If a topic doesn't exist.
    PulsarError
        If Pulsar refuses for any other reason.
    """
    security = from_environment()
    _require_pulsar(security, service_url)
    client = Client(service_url, operation_timeout_s=operation_timeout_s, security=security)
    try:
        with _errors_translated(service_url, security):
            yield client
    finally:
        client.shutdown()


@contextmanager
def connected(service_url: str) -> Iterator[Client]:
    """Connect to a Pulsar that has Alpes' topics; see `opened`.

    Raises
    ------
    NotFoundError
        If Alpes' topics don't exist.
    """
    with opened(service_url) as client:
        _require_topics(client, service_url)
        yield client


def require_address(endpoint: Endpoint) -> list[tuple[str, int, bool]]:
    """Return host, port and whether to use TLS for each broker of an endpoint. Raises `UnreachableError` if none."""
    try:
        return endpoint.addresses()
    except WireError as error:
        raise UnreachableError(
            f"{endpoint.service_url!r} is no address of a Pulsar broker, such as pulsar://127.0.0.1:6650."
        ) from error


@contextmanager
def _errors_translated(service_url: str, security: Security) -> Iterator[None]:
    try:
        yield
    except pulsar.TopicNotFound as error:
        raise NotFoundError(f"Pulsar at {service_url} answers, but has no topics of Alpes.") from error
    except Forbidden as error:
        raise ForbiddenError(f"{who(security.role())} may not do this: {error}.") from error
    except pulsar.AuthorizationError as error:
        raise ForbiddenError(f"{who(security.role())} may not do this at {service_url} ({error}).") from error
    except (pulsar.AuthenticationError, Unauthenticated) as error:
        raise SecurityError(f"Pulsar at {service_url} doesn't accept who we are ({error}).") from error
    except (pulsar.Timeout, pulsar.ConnectError, WireError) as error:
        raise BrokerUnreachableError(f"Pulsar at {service_url} stopped answering ({error}).") from error
    except pulsar.PulsarException as error:
        raise PulsarError(f"Pulsar at {service_url} refused: {error}.") from error


def _require_pulsar(security: Security, service_url: str) -> None:
    """Shake hands once: the library would say neither which certificate nor which token it is about."""
    endpoint = security.endpoint(service_url)
    addresses = require_address(endpoint)
    try:
        connect(endpoint, answer_s=LOOKUP_TIMEOUT_S).close()
    except WireError as error:
        why = str(error).rstrip(".")
        if len(addresses) == 1:
            why = why.removeprefix(f"{addresses[0][0]}:{addresses[0][1]}: ")
        if isinstance(error, Unauthenticated):
            why = security.lapsed() or why
            raise SecurityError(f"No connection to Pulsar at {service_url}: {why}.") from error
        raise BrokerUnreachableError(f"No Pulsar at {service_url} ({why}).") from error


def _require_topics(client: pulsar.Client, service_url: str) -> None:
    outcome: list[Exception | None] = []

    def look_up() -> None:
        try:
            client.get_topic_partitions(full_name(CREAR_ORDEN))
            outcome.append(None)
        except Exception as error:  # noqa: BLE001 - raised again by who waits for it
            outcome.append(error)

    # On a thread, because the library tries for three times its timeout if a port is open and silent.
    thread = threading.Thread(target=look_up, name="lookup", daemon=True)
    thread.start()
    thread.join(LOOKUP_TIMEOUT_S)
    if not outcome or isinstance(outcome[0], pulsar.Timeout | pulsar.ConnectError):
        raise BrokerUnreachableError(f"What listens at {service_url} does not answer as Pulsar does.")
    if outcome[0] is not None:
        raise outcome[0]
