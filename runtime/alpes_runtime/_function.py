"""The base of a function: what Pulsar constructs and calls."""

import logging
import signal
import threading
import time
from functools import partial
from types import FrameType
from typing import Any, ClassVar

import pulsar

from ._context import InstanceContext
from ._pulsar_host import PulsarHost, handed_over, running_instance
from ._service import Service
from ._watchdog import end_instance
from .bootstrap import bootstrap
from .config import FunctionConfig, parse_config
from .errors import AlpesError
from .host import Host
from .runner import Runner

START_WAIT_S = 30.0
"""How long ``process`` waits for a start under way. With the direct intake the message is redelivered anyway."""
CONTEXT_WAIT_S = 30.0
"""How long the function waits, after its construction, for Pulsar to create its context."""


class BatchFunction(pulsar.Function):
    """A Pulsar Function that takes messages in, commits and publishes in groups.

    A subclass names its configuration and builds its service; docs/write-a-function.md shows a whole one.

    Attributes
    ----------
    Config
        The class of its userConfig.
    """

    Config: ClassVar[type[FunctionConfig]] = FunctionConfig

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runner: Runner | None = None
        self._terminated = False
        # Pulsar logs stderr, too. When a full disk refuses a line, `logging` reports that on stderr, which is refused
        # again, and so on until the thread that logged dies.
        logging.raiseExceptions = False
        if threading.current_thread() is threading.main_thread():
            self._drain_at_sigterm()
        instance = running_instance()
        if instance is not None:
            threading.Thread(target=self._start_with, args=(instance,), name="start", daemon=True).start()

    def build(self, config: Any, context: InstanceContext) -> Service:
        """Return the service: the composition root, called once per instance.

        It must not wait for anything: the runtime waits for a dependency where it is used.

        Raises
        ------
        Misconfigured
            The instance logs this error and ends.
        """
        raise NotImplementedError

    def process(self, given: object, context: Any) -> None:
        """Take one message from Pulsar's runtime. Never raises: Pulsar would acknowledge it negatively after 60 s."""
        try:
            runner = self._started(context)
            # Own consumers take everything; what comes this way nevertheless comes to them again.
            if runner is not None and not self._terminated and runner.instance.intake.name == "runtime":
                message = handed_over(given, context)
                runner.instance.intake.submit(message, message.topic, message)
        except Exception as error:
            logger = context.get_logger()
            logger.exception("A message could not be taken in; it stays unacknowledged")
            end_instance(logger)(f"process: {type(error).__name__}: {error}")

    def _started(self, context: Any) -> Runner | None:
        deadline = time.monotonic() + START_WAIT_S
        while not self._lock.acquire(timeout=0.1):
            if self._terminated or time.monotonic() > deadline:
                return None
        try:
            if self._runner is None and not self._terminated:
                self._start(PulsarHost(context))
            return self._runner
        finally:
            self._lock.release()

    def _start(self, host: Host) -> None:
        try:
            config = parse_config(self.Config, host.user_config, warn=host.logger.warning)
            self._runner = Runner(bootstrap(host, config, partial(self.build, config)))
            self._runner.start()
        except Exception as error:
            if self._terminated:
                return
            if not isinstance(error, AlpesError):
                host.logger.exception("The function could not start")
            end_instance(host.logger)(f"{host.name}: {error}")

    def _start_with(self, instance: Any) -> None:
        deadline = time.monotonic() + CONTEXT_WAIT_S
        while instance.contextimpl is None and time.monotonic() < deadline:
            time.sleep(0.01)
        if instance.contextimpl is not None:
            self._started(instance.contextimpl)

    def _drain_at_sigterm(self) -> None:
        """Drain before Pulsar's own handler ends the instance, which closes the client that the drain needs."""
        previous = signal.getsignal(signal.SIGTERM)

        def drain(number: int, frame: FrameType | None) -> None:
            self._terminated = True
            if self._runner is not None:
                self._runner.stop()
            if callable(previous):
                previous(number, frame)

        signal.signal(signal.SIGTERM, drain)
