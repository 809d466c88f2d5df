"""The host of a function's instance, as the runtime sees it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from alpes_wire import Endpoint


class Host(Protocol):
    """What runs an instance of a function; `PulsarHost` is the one in production.

    Attributes
    ----------
    logger
        The instance's log.
    user_config
        The function's userConfig.
    name, namespace, instance_id
        The function's name, its ``tenant/namespace``, and the number of this instance.
    inputs, output
        Full names of its topics; the output is empty if it has none.
    """

    logger: logging.Logger
    user_config: Mapping[str, Any]
    name: str
    namespace: str
    instance_id: str
    inputs: Sequence[str]
    output: str

    @property
    def client(self) -> Any:
        """The instance's ``pulsar.Client``."""
        ...

    @property
    def endpoint(self) -> Endpoint | None:
        """The address of the instance's Pulsar and its authentication; None if that isn't known."""
        ...

    @property
    def subscription(self) -> str | None:
        """The function's own subscription, None if it isn't known."""
        ...

    @property
    def runtime_consumers(self) -> Mapping[str, Any] | None:
        """The consumers that the host opened, or believes it opened, by topic; None if they can't be reached."""
        ...

    @property
    def state_table(self) -> Callable[[], Any] | None:
        """Returns the function's BookKeeper table, or raises while it can't be reached; None without a state store."""
        ...

    def count(self, received: int, processed: int) -> None:
        """Add a group to the counters of ``functions stats``; the host counts only what it hands over itself."""
        ...

    def record(self, metric: str, value: float) -> None:
        """Add a value to a user metric, which keeps their sum and count."""
        ...
