"""Publishes events before their message is done: the parts of an answer that is too long to be held in memory."""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ._context import InstanceContext
from ._message import Event
from ._outage import Outage
from ._publisher import PulsarPublisher
from .errors import Refused, Unavailable


class EarlyPublisher:
    """Publishes events from within an `ExternalCall`, for any number of its threads, one after another.

    Readers must be able to tell that what they have is not whole: if the instance dies, the message comes again, and
    with it all of its events.

    Parameters
    ----------
    context
        The instance.
    schemas
        Schema by topic; see `Service`.
    """

    def __init__(self, context: InstanceContext, schemas: Mapping[str, Any]) -> None:
        self._context = context
        self._publisher = PulsarPublisher(context, schemas)
        self._outage = Outage(context, "The early publisher", "broker")
        self._turn = threading.Lock()

    def publish(self, events: Sequence[Event]) -> bool:
        """Publish events, and wait until each one is confirmed, also while the broker is away.

        Returns
        -------
        bool
            False if the instance stops first; then some of them may be missing.

        Raises
        ------
        Refused
            The broker refuses some of them for their size.
        """
        with self._turn:
            while not self._context.stopping.is_set():
                try:
                    with self._context.lock:
                        self._publisher.publish(events)
                except Refused:
                    raise
                except Unavailable as error:
                    self._outage.wait(error)
                else:
                    self._outage.over()
                    return True
            return False
