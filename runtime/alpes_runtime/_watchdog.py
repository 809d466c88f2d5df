"""Ends the instance when one of its threads has died or hangs, so that the worker starts a new one.

The messages of the ended instance are unacknowledged, and go to the next one. An instance that went on with a dead
thread would look healthy and process nothing.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterable

from .clock import Clock

CHECK_EVERY_S = 1.0
HANG_LIMIT_S = 120.0
"""A step that takes longer counts as hanging. The limit exceeds every wait within a step: a connect (30 s), a flush
(10 s) with its confirmation (15 s), a statement (25 s)."""
EXIT_CODE = 70
"""EX_SOFTWARE of sysexits.h."""


class Worker(threading.Thread):
    """A thread that repeats a step until told to stop, and sends a heartbeat at each one.

    Parameters
    ----------
    name
        Shown when it dies or hangs.
    step
        Called again and again; short if there is nothing to do.
    until
        Called before each step; True ends the thread cleanly.
    patient
        Whether a step may take any time.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], object],
        until: Callable[[], bool],
        clock: Clock,
        *,
        patient: bool = False,
    ) -> None:
        super().__init__(name=name, daemon=True)
        self._step = step
        self._until = until
        self._clock = clock
        self._patient = patient
        self.last_heartbeat = clock.monotonic()
        self.error: BaseException | None = None
        self.finished = False

    def run(self) -> None:
        """Step until told to stop."""
        try:
            while not self._until():
                self.heartbeat()
                self._step()
            self.finished = True
        except BaseException as error:  # noqa: BLE001 -- the watchdog reports it and ends the instance
            self.error = error

    def heartbeat(self) -> None:
        """Tell the watchdog that the thread is alive."""
        self.last_heartbeat = self._clock.monotonic()

    def trouble(self, now: float) -> str:
        """Return what is wrong with the thread, empty if nothing is."""
        if self.finished:
            return ""
        if self.error is not None:
            return f"thread {self.name} died: {type(self.error).__name__}: {self.error}"
        if not self.is_alive():
            return f"thread {self.name} is gone"
        if now - self.last_heartbeat > HANG_LIMIT_S and not self._patient:
            return f"thread {self.name} hangs for {now - self.last_heartbeat:.0f} s"
        return ""


def heartbeat() -> None:
    """Tell the watchdog that the calling thread is alive, during a step that may take long."""
    thread = threading.current_thread()
    if isinstance(thread, Worker):
        thread.heartbeat()


class Watchdog:
    """Checks the workers and ends the instance if one of them died or hangs."""

    def __init__(
        self, workers: Iterable[Worker], end_instance: Callable[[str], None], clock: Clock, stopping: threading.Event
    ) -> None:
        self._workers = list(workers)
        self._end_instance = end_instance
        self._clock = clock
        self._stopping = stopping

    def add(self, worker: Worker) -> None:
        """Watch one more worker, which has been started."""
        self._workers.append(worker)

    def check(self) -> None:
        """End the instance if a worker died or hangs."""
        now = self._clock.monotonic()
        for worker in list(self._workers):
            if trouble := worker.trouble(now):
                self._end_instance(trouble)
                return

    def watch(self) -> None:
        """Check every second until the instance stops."""
        while not self._clock.wait(self._stopping, CHECK_EVERY_S):
            self.check()


def end_instance(logger: logging.Logger) -> Callable[[str], None]:
    """Return a function that logs a reason and ends this process immediately."""

    def end(reason: str) -> None:
        try:
            logger.critical("Ending this instance: %s", reason)
            for handler in logging.getLogger().handlers + logger.handlers:
                handler.flush()
        finally:
            # The process ends even if the line can't be written, as on a full disk.
            os._exit(EXIT_CODE)

    return end
