"""The host of production: Pulsar's Python instance. Only this module uses more of it than the documented API.

The context that an instance passes to ``process`` is its ``ContextImpl``, which has more than the SDK's abstract class:
the instance's consumers, its counters and its state table. If a Pulsar version lacks one of them, it is None here, and
the runtime works without it (docs/architecture.md says what that costs). The source is Pulsar 4.0.8,
``instances/python-instance/{python_instance,contextimpl,function_stats,state_context}.py``.
"""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from alpes_wire import Endpoint, endpoint_of

from ._identity import client_of, own_token
from ._message import utf8_or

MAX_FRAMES = 8
"""How many frames up the stack `running_instance` searches."""
OWN = "alpes_own"
"""The attribute of a client that shows the function's own token."""


class PulsarHost:
    """A function's instance in Pulsar.

    Parameters
    ----------
    context
        What Pulsar's instance passes to ``process``.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self.logger = context.get_logger()
        self.user_config: Mapping[str, Any] = dict(context.get_user_config_map() or {})
        self.name = str(context.get_function_name())
        self.namespace = f"{context.get_function_tenant()}/{context.get_function_namespace()}"
        self.instance_id = str(context.get_instance_id())
        self.inputs: Sequence[str] = [str(topic) for topic in context.get_input_topics()]
        self.output = str(context.get_output_topic() or "")

    @property
    def client(self) -> Any:
        """The instance's ``pulsar.Client``."""
        return self._context.get_pulsar_client()

    @property
    def endpoint(self) -> Endpoint | None:
        """The address of the instance's Pulsar and its authentication; None if its command line doesn't say."""
        return endpoint_of(sys.argv, own_token(self.name))

    @property
    def subscription(self) -> str | None:
        """The function's own subscription, None if it isn't known."""
        try:
            details = self._context.instance_config.function_details
            return str(details.source.subscriptionName) or f"{self.namespace}/{self.name}"
        except AttributeError:
            return None

    @property
    def runtime_consumers(self) -> Mapping[str, Any] | None:
        """The consumers that the runtime opened, or believes it opened, by topic; None if they can't be reached."""
        consumers = getattr(self._context, "consumers", None)
        return consumers if isinstance(consumers, Mapping) else None

    @property
    def state_table(self) -> Callable[[], Any] | None:
        """Returns the function's BookKeeper table, or raises while it can't be reached; None without a state store."""
        state = getattr(self._context, "state_context", None)
        # Asking the object itself would connect: see runtime/worker/python_instance_main.py.
        if state is None or ("__table__" not in vars(state) and not hasattr(type(state), "__table__")):
            return None
        return lambda: state.__table__

    def count(self, received: int, processed: int) -> None:
        """Add a group to the counters of ``functions stats``; the runtime itself counts only what it hands over."""
        stats = getattr(self._context, "stats", None)
        for counter, amount in (
            ("_stat_total_received", received),
            ("_stat_total_received_1min", received),
            ("_stat_total_processed_successfully", processed),
            ("_stat_total_processed_successfully_1min", processed),
        ):
            metric = getattr(stats, counter, None)
            if metric is not None and amount:
                metric.inc(amount)

    def record(self, metric: str, value: float) -> None:
        """Add a value to a user metric, which keeps their sum and count."""
        self._context.record_metric(metric, value)


class HandedOver(NamedTuple):
    """A copy of what Pulsar's context says of a message during ``process``; the next message overwrites the context."""

    raw: bytes
    key: str
    own_properties: dict[str, str]
    id: Any
    topic: str
    published_ms: int
    context: Any

    def data(self) -> bytes:
        """Return the payload."""
        return self.raw

    def partition_key(self) -> str:
        """Return the message key."""
        return self.key

    def properties(self) -> dict[str, str]:
        """Return the message's properties."""
        return self.own_properties

    def message_id(self) -> Any:
        """Return the client's message id."""
        return self.id

    def publish_timestamp(self) -> int:
        """Return Unix milliseconds, 0 if Pulsar doesn't say."""
        return self.published_ms

    def acknowledge(self, message: "HandedOver") -> None:
        """Acknowledge a message by its id and topic, as the context wants it."""
        self.context.ack(message.id, message.topic)


def handed_over(given: object, context: Any) -> HandedOver:
    """Return the message that Pulsar passes to ``process``.

    Raises
    ------
    TypeError
        Pulsar's SerDe turned its bytes into another type, and the context doesn't have the bytes.
    """
    message = getattr(context, "message", None)
    return HandedOver(
        _bytes_of(given, message),
        utf8_or("", context.get_message_key),
        dict(utf8_or({}, context.get_message_properties)),
        context.get_message_id(),
        context.get_current_message_topic_name(),
        int(getattr(message, "publish_timestamp", int)()),
        context,
    )


def _bytes_of(given: object, message: Any) -> bytes:
    """Return a message's bytes.

    Pulsar's own SerDe turns bytes that look like a text or a number into one, and passes on only bytes that aren't
    UTF-8. Most Protobuf messages aren't UTF-8, but some are.
    """
    if message is not None:
        return bytes(message.data())
    if isinstance(given, str):
        return given.encode()
    if isinstance(given, bytes):
        return given
    raise TypeError(
        f"this Pulsar passes {given!r} for a message, and its context lacks the bytes: set intake to direct"
    )


class NotSubscribed:
    """Takes the place of a consumer of Pulsar's runtime; see `prepare`."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: there is none."""


def prepare(instance: Any) -> None:
    """Make an instance's client the function's own, before the instance opens anything with it.

    If the worker's environment names a token of the function's, the client is replaced by one that shows this token.
    And it opens no consumers if the function will open some: the client library would begin to unpack waiting messages,
    in native code, before the function exists. If the function takes messages from the runtime, it opens them.

    Raises
    ------
    Misconfigured
        The function's token can't be read.
    """
    details = getattr(instance.instance_config, "function_details", None)
    if not hasattr(instance, "pulsar_client"):
        return
    token = own_token(str(getattr(details, "name", "")))
    # Each input's SerDe calls this; the first one finds the client with the worker's credentials, not yet connected.
    if token is not None and not hasattr(instance.pulsar_client, OWN):
        instance.pulsar_client.close()
        instance.pulsar_client = client_of(sys.argv, token)
        setattr(instance.pulsar_client, OWN, True)
    direct = json.loads(getattr(details, "userConfig", "") or "{}").get("intake", "direct") == "direct"
    if direct and endpoint_of(sys.argv, token) is not None:
        instance.pulsar_client.subscribe = NotSubscribed


def running_instance() -> Any:
    """Return the ``PythonInstance`` that is constructing a function right now, None if there is none.

    Its context exists a moment later, as ``contextimpl``. With it a function starts when its instance does, and not at
    the first message: a configuration error shows immediately, and messages that a crash left behind are processed
    without waiting for a new one.
    """
    frame = sys._getframe(1)  # noqa: SLF001 -- the documented way to look at one's caller
    for _ in range(MAX_FRAMES):
        found = frame.f_locals.get("self")
        if hasattr(found, "contextimpl") and hasattr(found, "instance_config"):
            return found
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
