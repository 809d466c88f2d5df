"""Runs an instance's stages, each in a thread of its own, and drains them at the end."""

import ctypes
import gc
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from .assembly import Assembly, Stage
from .config import FunctionConfig
from .host import Host
from .service import Service, Setup
from .watchdog import Watchdog, Worker, end_instance

POLL_S = 0.2
"""Longest wait within a step, and so the longest time until a stop is noticed."""
GARBAGE_AFTER = 20_000
"""So many objects more than before, and Python looks for cycles among the new ones. A group is thousands of objects
that go without that: looking after every 700, as it does by itself, costs a function a fifteenth of its time."""
M_MMAP_THRESHOLD = -3
"""glibc's number of this option."""
LARGE_BYTES = 256 * 1024
"""Blocks of so many bytes go back to the machine as soon as they are free. By itself glibc takes ever larger ones, up
to 32 MB, out of heaps that it gives back late or never: after a flood of large messages an instance kept hundreds of
MB."""
DRAIN_S = 5.0
"""Longest drain at a stop. Pulsar kills an instance about 10 s after it asked it to end."""


class Runner:
    """One instance at work.

    Parameters
    ----------
    host
        The instance.
    config
        Its configuration.
    build
        The composition root.
    """

    def __init__(self, host: Host, config: FunctionConfig, build: Callable[[Setup], Service]) -> None:
        self._host = host
        self._log = host.logger
        self._assembly = Assembly(host, config, build)
        self._clock, self._stopping = self._assembly.clock, self._assembly.stopping
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Open the inputs and set everything going. Raises `Misconfigured`, see `Assembly.open`."""
        _give_large_blocks_back()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER)
        self._workers = [self._worker(stage) for stage in self._assembly.open()]
        for worker in self._workers:
            worker.start()
        views = [
            Worker(f"view {number}", follow, self._stopping.is_set, self._clock, patient=True)
            for number, follow in enumerate(self._assembly.views())
        ]
        for view in views:
            view.start()
        watchdog = Watchdog([*self._workers, *views], end_instance(self._log), self._clock, self._stopping)
        threading.Thread(target=watchdog.watch, name="watchdog", daemon=True).start()
        self._log.info(
            "Instance %s of %s runs, intake %s",
            self._host.instance_id,
            self._host.name,
            "direct" if self._assembly.direct else "runtime",
        )

    def offer(self, given: object, context: Any) -> None:
        """Take what Pulsar's runtime hands over; see `Assembly.offer`."""
        self._assembly.offer(given, context)

    def stop(self) -> None:
        """Finish what is in hand, within `DRAIN_S`, and give the rest back to the broker."""
        deadline = self._clock.monotonic() + DRAIN_S
        self._assembly.stop()
        finishing = {self._assembly.commit.name, self._assembly.publish.name}
        for worker in self._workers:
            if worker.name in finishing and worker.is_alive():
                worker.join(max(0.0, deadline - self._clock.monotonic()))
        self._assembly.abandon()
        # Closing sends grouped acknowledgements off; bounded, for the broker may be away.
        closer = threading.Thread(target=self._assembly.close, name="close", daemon=True)
        closer.start()
        closer.join(max(1.0, deadline - self._clock.monotonic()))
        self._log.info(
            "Drained: %s", "all that was begun is done" if self._assembly.drained else "the rest comes again"
        )

    def _worker(self, stage: Stage) -> Worker:
        worker = Worker(stage.name, partial(stage.step, POLL_S), stage.over, self._clock, patient=stage.patient)
        stage.alive = worker.alive
        return worker


def _give_large_blocks_back() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Other C libraries have none, and no such heaps.
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
