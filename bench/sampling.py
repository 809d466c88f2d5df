"""Samples the running system's figures at regular times, in a thread."""

import threading
import time
from types import TracebackType
from typing import Self

from bench import tables
from bench.cpu import Processes
from bench.results import Sample
from bench.system import System


class Sampler:
    """Takes samples while a `with` block runs.

    Parameters
    ----------
    processes
        Its processes, after their `find`.
    every_s
        Seconds between two samples.
    with_tables
        Whether a sample includes the sizes of tables.
    """

    def __init__(self, system: System, processes: Processes, every_s: float, *, with_tables: bool) -> None:
        self.samples: list[Sample] = []
        self.error: Exception | None = None
        self._system = system
        self._processes = processes
        self._every_s = every_s
        self._with_tables = with_tables
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        if self.error is not None and error is None:
            raise self.error

    def _run(self) -> None:
        started = time.monotonic()
        try:
            with tables.opened(self._system.dsns) as queries:
                while not self.samples or not self._stop.wait(self._every_s):
                    self.samples.append(self._sample(queries, time.monotonic() - started))
        except Exception as error:  # noqa: BLE001 - raised at the end of the `with` block
            self.error = error

    def _sample(self, queries: tables.Tables, at_s: float) -> Sample:
        used = self._processes.use()
        return Sample(
            at_s=round(at_s, 3),
            cpu_s={name: round(usage.cpu_s, 3) for name, usage in used.items()},
            memory_bytes={name: usage.memory_bytes for name, usage in used.items()},
            state_age_s=round(queries.lag(keys=False).age_s, 3),
            table_bytes=queries.bytes_by_table() if self._with_tables else {},
        )
