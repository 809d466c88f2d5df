"""Has reports made on the running system: how long they take, how large they are, what memory they need."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import psutil

from alpes_wire import Message
from bench.cpu import instances
from bench.errors import BenchError
from bench.system import System
from client.reports import Wish, command, fetch_report, new_report_id
from client.spool import spooled
from connection.client import Client, connected
from connection.tail import Tail
from schemas.tienda.periodo import Periodo, periodo
from schemas.tienda.topics import GENERAR_REPORTE, REPORTE_GENERADO, full_name
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado

REPORTING = "reporting 0"
LOOK_S = 0.05
SILENT_S = 600.0
MEGABYTE = 1_000_000


class Made(NamedTuple):
    """A report, or many.

    Attributes
    ----------
    seconds
        From the command to the last part.
    size
        Bytes of the report; 0 of many.
    instance_mb, process_mb
        Most resident memory of Reporting's instance, and of one report's process.
    processes
        Most reports' processes at once.
    """

    seconds: float
    size: int
    instance_mb: float
    process_mb: float
    processes: int


def one(system: System, report_format: str) -> Made:
    """Have one report of all orders made, and measure it."""
    wish, report_id = Wish(report_format, periodo()), new_report_id()
    sizes: list[int] = []
    with spooled(wish.asked(report_id), None) as spool, connected(system.service_url) as client:

        def take(part: ReporteGenerado) -> bool:
            sizes.append(len(part.content))
            return spool.take(part)

        with _memory(system) as memory:
            began = time.monotonic()
            fetch_report(client, report_id, wish, take, SILENT_S, threading.Event())
            seconds = time.monotonic() - began
    return Made(seconds, sum(sizes), *memory())


def many(system: System, count: int, asked: Periodo) -> Made:
    """Ask for so many reports at once, and wait until each has ended.

    Raises
    ------
    BenchError
        Some were refused, or nothing came for long.
    """
    waiting = {new_report_id() for _ in range(count)}
    parts: queue.SimpleQueue[ReporteGenerado] = queue.SimpleQueue()

    def arrived(_topic: str, message: Message, _arrived_ns: int) -> None:
        parts.put(ReporteGenerado.FromString(message.data()))

    with connected(system.service_url) as client, Tail(client, [REPORTE_GENERADO], arrived), _memory(system) as memory:
        began = time.monotonic()
        _ask(client, waiting, asked)
        while waiting:
            try:
                part = parts.get(timeout=SILENT_S)
            except queue.Empty:
                raise BenchError(
                    f"{len(waiting)} of {count} reports haven't ended: ./deploy.sh logs reporting"
                ) from None
            if part.error:
                raise BenchError(f"a report was refused: {part.error}")
            if part.last:
                waiting.discard(part.report_id)
        seconds = time.monotonic() - began
    return Made(seconds, 0, *memory())


def _ask(client: Client, report_ids: set[str], asked: Periodo) -> None:
    producer = client.create_producer(full_name(GENERAR_REPORTE))
    for report_id in report_ids:
        producer.send_async(command(report_id, Wish("csv", asked)).SerializeToString(), None, partition_key=report_id)
    producer.flush()
    producer.close()


@contextmanager
def under_way(system: System, report_format: str) -> Iterator[None]:
    """Have reports of all orders made one after the other during a `with` block."""
    stop = threading.Event()
    errors: list[BaseException] = []

    def repeat() -> None:
        try:
            with connected(system.service_url) as client:
                while not stop.is_set():
                    wish, report_id = Wish(report_format, periodo()), new_report_id()
                    with spooled(wish.asked(report_id), None) as spool:
                        fetch_report(client, report_id, wish, spool.take, SILENT_S, stop)
        except Exception as error:  # noqa: BLE001 -- raised at the end of the block
            errors.append(error)

    thread = threading.Thread(target=repeat, name="reports", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
    if errors:
        raise errors[0]


def idle(system: System) -> None:
    """Wait until no report is being made."""
    while _family(system)[1]:
        time.sleep(LOOK_S)


@contextmanager
def _memory(system: System) -> Iterator[Callable[[], tuple[float, float, int]]]:
    """Yield what returns the most memory of Reporting and of its reports during the `with` block, once it has ended."""
    stop = threading.Event()
    most = [0.0, 0.0, 0]

    def look() -> None:
        while not stop.wait(LOOK_S):
            own, children = _family(system)
            most[:] = [max(most[0], own), max(most[1], *children, 0.0), max(most[2], len(children))]

    thread = threading.Thread(target=look, name="memory", daemon=True)
    thread.start()
    try:
        yield lambda: (most[0], most[1], int(most[2]))
    finally:
        stop.set()
        thread.join()


_instances: dict[str, psutil.Process] = {}


def _family(system: System) -> tuple[float, list[float]]:
    """Return the resident memory of Reporting's instance and of each report's process, in MB."""
    if system.service_url not in _instances:
        found = instances(system.service_url)
        if REPORTING not in found:
            raise BenchError("Reporting's instance isn't on this machine: ./deploy.sh status")
        _instances[system.service_url] = found[REPORTING]
    instance = _instances[system.service_url]
    children = []
    for child in instance.children():
        with contextlib.suppress(psutil.Error):
            children.append(child.memory_info().rss / MEGABYTE)
    return instance.memory_info().rss / MEGABYTE, children
