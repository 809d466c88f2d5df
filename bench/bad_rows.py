"""What messages that our code fails on cost the good ones they share a batch with.

    python -m bench.bad_rows --group 1000 --groups 40

starts a PostgreSQL of its own with durable commits, and has the real committer and the real handlers of Ordenes record
groups of new orders, in which some messages make the handler raise. The batch is split until each of them is alone.
Every share is measured once a round, all in one run; the table shows the median of the rounds.
"""

import argparse
import itertools
import logging
import shutil
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alpes_runtime import Handler, Outcome, Transaction
from alpes_runtime.backoff import RetryPolicy
from alpes_runtime.clock import SystemClock
from alpes_runtime.committer import Committer
from alpes_runtime.fakes import FakeMessage
from alpes_runtime.message import Received
from alpes_runtime.migrations import migrate
from alpes_runtime.postgres import Postgres
from alpes_runtime.turn import Turn
from functions.ordenes import messages
from functions.ordenes.domain import Orden
from functions.ordenes.handlers import Ordenes, Plazo, Topics
from local_stack import credentials, postgres
from local_stack.settings import Ports, Settings
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

BAD = (0, 1, 3, 10, 30)
"""Bad messages in a group."""
BAD_ADDRESS = "bad"
TOPIC = "persistent://alpes/tienda/crear-orden"
MIGRATIONS = Path(__file__).parents[1] / "functions" / "ordenes" / "sql" / "migrations"


@contextmanager
def database() -> Iterator[Postgres]:
    """Start PostgreSQL, and give a connection to migrated tables of Ordenes."""
    home = Path(tempfile.mkdtemp(prefix="alpes-bench-"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = Settings(home=home, cache=home, ports=Ports(port - Ports().postgres))
    made = credentials.load_or_make(settings)
    try:
        postgres.start(settings, made)
        dsn = made.dsn("ordenes", settings.ports.postgres)
        migrate(dsn, MIGRATIONS)
        connection = Postgres(dsn, "alpes ordenes 0")
        yield connection
        connection.close()
    finally:
        postgres.stop(settings)
        postgres.remove(settings)
        shutil.rmtree(home, ignore_errors=True)


def committer(connection: Postgres) -> Committer:
    """Build the committer with the handler of Ordenes and a bug that some messages meet."""
    topics = Topics(orden_creada="c", orden_actualizada="a", reembolsar_transaccion="r", reintento="x")
    handlers = Ordenes(topics=topics, plazo=Plazo(after_ms=900_000, width_ms=10_000), page=1000, estado_por_orden=True)

    def crear(transaction: Transaction, batch: Sequence[Orden]) -> Sequence[Outcome]:
        outcomes = handlers.crear(transaction, batch)
        if any(orden.address == BAD_ADDRESS for orden in batch):
            raise ArithmeticError("a bug")
        return outcomes

    logger = logging.getLogger("bench")
    logger.disabled = True
    return Committer(
        {"crear-orden": Handler(messages.decode_crear_orden, crear)},
        connection,
        "x",
        RetryPolicy(),
        function="ordenes",
        turn=Turn(),
        clock=SystemClock(),
        stopping=threading.Event(),
        logger=logger,
    )


class Nobody:
    """Acknowledges nothing."""

    def acknowledge(self, message: Any) -> None:
        """Do nothing."""


def group(numbers: Iterator[int], size: int, bad: int) -> list[Received]:
    """Return a group of new orders, of which ``bad`` are bad, spread evenly."""
    at = {(2 * n + 1) * size // (2 * bad) for n in range(bad)}
    return [
        Received("crear-orden", TOPIC, FakeMessage(order(next(numbers), bad=place in at)), Nobody())
        for place in range(size)
    ]


def order(number: int, *, bad: bool) -> bytes:
    """Return an order's bytes."""
    address = BAD_ADDRESS if bad else f"Calle {number}"
    return CrearOrden(
        id=f"o{number:09d}", client_id=1, address=address, created_at_ms=1, total_cents=5
    ).SerializeToString()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.bad_rows", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--group", type=int, default=1000, help="messages in a group (1000)")
    parser.add_argument("--groups", type=int, default=20, help="groups a round (20)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (5)")
    options = parser.parse_args()
    numbers = itertools.count()
    rates: dict[int, list[float]] = {bad: [] for bad in BAD}
    with database() as connection:
        for _ in range(options.rounds):
            for bad in BAD:
                stage = committer(connection)
                groups = [group(numbers, options.group, bad) for _ in range(options.groups)]
                started = time.perf_counter()
                for each in groups:
                    settled = stage.settle(each)
                    if settled is None or settled.rejected != bad:
                        sys.exit("a group was not settled as it should be")
                seconds = time.perf_counter() - started
                rates[bad].append((options.group - bad) * options.groups / seconds)
    best = statistics.median(rates[0])
    sys.stdout.write(f"| bad of {options.group} | good orders/s | of the rate without |\n| --- | --- | --- |\n")
    for bad, measured in rates.items():
        rate = statistics.median(measured)
        sys.stdout.write(f"| {bad} | {rate:,.0f} | {rate / best:.2f} |\n")


if __name__ == "__main__":
    main()
