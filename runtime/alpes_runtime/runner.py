"""Runs an instance's stages, each in a thread of its own, and drains them at the end."""

import ctypes
import gc
import threading
from functools import partial

from ._instance import Instance, Stage
from ._usage import Usage
from ._watchdog import Watchdog, Worker, end_instance

POLL_S = 0.2
"""Longest wait within a step, and so the longest time until a stop is noticed."""
GARBAGE_AFTER = 20_000
"""Python searches new objects for cycles after this many. The objects of a group, thousands of them, have no cycles: a
search after every 700 of them, Python's default, costs a function a fifteenth of its time."""
M_MMAP_THRESHOLD = -3
"""The number of this option in glibc."""
LARGE_BYTES = 256 * 1024
"""Blocks of this size return to the operating system as soon as they are free. By default glibc takes larger and larger
blocks, up to 32 MB, from heaps that it returns late or never: after a flood of large messages an instance kept hundreds
of MB."""
NEW_PARTITIONS_S = 30.0
"""Time between two looks for partitions that the inputs have been given since the start."""
DRAIN_S = 5.0
"""Longest drain at a stop. Pulsar kills an instance about 10 s after it asked it to end."""


class Runner:
    """One instance at work.

    Parameters
    ----------
    instance
        What is run.
    """

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._context = instance.context
        self._log = instance.context.logger
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Open the inputs and start all threads."""
        _give_large_blocks_back()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER)
        self._workers = [self._worker(stage) for stage in self.instance.open()]
        for worker in self._workers:
            worker.start()
        views = [
            Worker(f"view {number}", follow, self._context.stopping.is_set, self._context.clock, patient=True)
            for number, follow in enumerate(self.instance.followers())
        ]
        for view in views:
            view.start()
        watchdog = Watchdog(
            [*self._workers, *views], end_instance(self._log), self._context.clock, self._context.stopping
        )
        threading.Thread(target=watchdog.watch, name="watchdog", daemon=True).start()
        threading.Thread(target=Usage(self._context).watch, name="usage", daemon=True).start()
        look = Worker("partitions", partial(self._look, watchdog), self._context.stopping.is_set, self._context.clock)
        look.start()
        watchdog.add(look)
        self._log.info(
            "Instance %s of %s runs, intake %s",
            self._context.host.instance_id,
            self._context.host.name,
            self.instance.intake.name,
        )

    def stop(self) -> None:
        """Finish the messages under way within `DRAIN_S`, and return the rest to the broker."""
        deadline = self._context.clock.monotonic() + DRAIN_S
        self.instance.stop()
        finishing = {self.instance.commit.name, self.instance.publish.name}
        for worker in self._workers:
            if worker.name in finishing and worker.is_alive():
                worker.join(max(0.0, deadline - self._context.clock.monotonic()))
        self.instance.terminate()
        # Closing sends grouped acknowledgements. The wait is bounded, since the broker may be away.
        closer = threading.Thread(target=self.instance.close, name="close", daemon=True)
        closer.start()
        closer.join(max(1.0, deadline - self._context.clock.monotonic()))
        self._log.info("Drained: %s", "all that was begun is done" if self.instance.drained else "the rest comes again")

    def _look(self, watchdog: Watchdog) -> None:
        """Wait, then take messages from new partitions, too."""
        if self._context.clock.wait(self._context.stopping, NEW_PARTITIONS_S):
            return
        for stage in self.instance.open_new():
            worker = self._worker(stage)
            worker.start()
            watchdog.add(worker)

    def _worker(self, stage: Stage) -> Worker:
        return Worker(stage.name, partial(stage.poll, POLL_S), stage.over, self._context.clock, patient=stage.patient)


def _give_large_blocks_back() -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    # Other C libraries have no `mallopt`, and don't keep memory so.
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
