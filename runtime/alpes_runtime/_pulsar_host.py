"""The host that production has: Pulsar's Python instance. What is taken of it beyond the documented API is all in here.

The context that an instance passes to ``process`` is its ``ContextImpl``, which has more than the SDK's abstract class:
the instance's consumers, its counters and its state table. What is missing in some version is None here, and the
runtime does without (docs/architecture.md says what that costs). Read off Pulsar 4.0.8,
``instances/python-instance/{python_instance,contextimpl,function_stats,state_context}.py``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alpes_wire import Endpoint, endpoint_of

from ._message import utf8_or

MAX_FRAMES = 8
"""How far up the stack the running instance is looked for."""


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
        """Where the instance's Pulsar is, and how it is let in; None where its command line doesn't say."""
        return endpoint_of(sys.argv)

    @property
    def subscription(self) -> str | None:
        """The function's own subscription, None where it can't be told."""
        try:
            details = self._context.instance_config.function_details
            return str(details.source.subscriptionName) or f"{self.namespace}/{self.name}"
        except AttributeError:
            return None

    @property
    def runtime_consumers(self) -> Mapping[str, Any] | None:
        """The consumers that the runtime opened, or believes it did, by topic; None where they can't be reached."""
        consumers = getattr(self._context, "consumers", None)
        return consumers if isinstance(consumers, Mapping) else None

    @property
    def state_table(self) -> Any:
        """The function's BookKeeper table, None without a state store."""
        return getattr(getattr(self._context, "state_context", None), "__table__", None)

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
        """Record a user metric, a sum and a count."""
        self._context.record_metric(metric, value)


class HandedOver(NamedTuple):
    """A message as Pulsar's context describes it while ``process`` runs; the next message overwrites the context."""

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
        """Return Unix milliseconds, 0 where Pulsar doesn't say."""
        return self.published_ms

    def acknowledge(self, message: "HandedOver") -> None:
        """Acknowledge a message by its id and topic, as the context wants it."""
        self.context.ack(message.id, message.topic)


def handed_over(given: object, context: Any) -> HandedOver:
    """Return the message that Pulsar passes to ``process``.

    Raises
    ------
    TypeError
        Pulsar's SerDe made something else of its bytes, and the context doesn't show them.
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

    Pulsar's own SerDe makes a text or a number of what looks like one, and passes bytes on only where they are no
    UTF-8. Most Protobuf messages are not, and now and then one is.
    """
    if message is not None:
        return bytes(message.data())
    if isinstance(given, str):
        return given.encode()
    if isinstance(given, bytes):
        return given
    raise TypeError(f"this Pulsar gives {given!r} for a message and doesn't show its bytes: set intake to direct")


class NotSubscribed:
    """Stands where the runtime would have a consumer: see `keep_from_subscribing`."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def close(self) -> None:
        """Do nothing: there is none."""


def keep_from_subscribing(instance: Any) -> None:
    """Let an instance that is about to open consumers of its own do without, where the function will have its own.

    The client library's would begin to unpack what waits, in native code, before the function is there. Where the
    function takes messages from the runtime, everything stays as it is.
    """
    details = getattr(instance.instance_config, "function_details", None)
    own = json.loads(getattr(details, "userConfig", "") or "{}").get("intake", "direct") == "direct"
    if own and endpoint_of(sys.argv) is not None and hasattr(instance, "pulsar_client"):
        instance.pulsar_client.subscribe = NotSubscribed


def running_instance() -> Any:
    """Return the ``PythonInstance`` that is constructing a function right now, None where there is none to be found.

    Its context exists a moment later, as ``contextimpl``. With it a function starts when its instance does, instead of
    at the first message that happens to reach it: a configuration error is seen at once, and what a crash left behind
    is caught up without waiting for somebody's next order.
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
