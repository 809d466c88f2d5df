"""All that the runtime takes from Pulsar's Python instance beyond the documented ``Context``, in one place.

The context that an instance passes to ``process`` is its ``ContextImpl``, which has more than the SDK's abstract class:
the instance's consumers, its counters and its state table. What is missing in some version is None here, and the
runtime does without (docs/architecture.md says what that costs). Read off Pulsar 4.0.8,
``instances/python-instance/{python_instance,contextimpl,function_stats,state_context}.py``.
"""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from alpes_wire import Endpoint, endpoint_of

from .message import local_name

MAX_FRAMES = 8
"""How far up the stack the running instance is looked for."""


class Host:
    """A function instance as the runtime sees it.

    Parameters
    ----------
    context
        What the instance passes to ``process``.
    """

    def __init__(self, context: Any) -> None:
        self._context = context
        self.logger: logging.Logger = context.get_logger()
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
    def client_properties(self) -> dict[str, str]:
        """What the runtime sets on its own consumers and producers, so that ours are shown alike."""
        return {
            "application": "pulsar-function",
            "id": f"{self.namespace}/{self.name}",
            "instance_id": self.instance_id,
        }

    @property
    def retry_topic(self) -> str | None:
        """The input that carries later attempts, ``<function>-reintento``; None where there is no such input."""
        name = f"{self.name}-reintento"
        return next((topic for topic in self.inputs if local_name(topic) == name), None)

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


def bytes_of(given: object, context: Any) -> bytes:
    """Return the bytes of the message that is handed over.

    Pulsar's own SerDe gives what it takes for a text or a number as one, and bytes only where they are no UTF-8: most
    Protobuf messages are not, and now and then one is.
    """
    message = getattr(context, "message", None)
    if message is not None:
        return bytes(message.data())
    if isinstance(given, str):
        return given.encode()
    if isinstance(given, bytes):
        return given
    raise TypeError(f"this Pulsar gives {given!r} for a message and doesn't show its bytes: set intake to direct")


def published_ms(context: Any) -> int:
    """Return when the message that is handed over was published, in Unix milliseconds; 0 where that isn't shown."""
    return int(getattr(getattr(context, "message", None), "publish_timestamp", int)())


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
