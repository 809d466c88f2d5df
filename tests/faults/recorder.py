"""Fills a history from the running system: reads topics and tables as an outsider does."""

import csv
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pulsar
from bookkeeper import kv
from bookkeeper.common.util import to_bytes
from bookkeeper.proto import kv_rpc_pb2
from bookkeeper.types import StorageClientSettings

from alpes_wire import EARLIEST, MessageId, WireError
from alpes_wire.names import ERROR_TYPE, SOURCE_MESSAGE_ID, SOURCE_TOPIC
from connection.errors import PulsarError
from schemas.tienda.topics import NAMESPACE
from tests.e2e.tienda import LAST, Tienda, alpes
from tests.faults.checker import COMMANDS, EVENTS, REFUNDS
from tests.faults.history import (
    History,
    Letter,
    Message,
    OrdenRow,
    ReembolsoRow,
    ReporteRow,
    Sent,
    TransaccionRow,
    Unreadable,
)
from tests.lanes import PATIENCE

RETRIES = ("ordenes-reintento", "pagos-reintento", "reporting-reintento")
DEAD_LETTER_SOURCES = (COMMANDS, *EVENTS, REFUNDS, "generar-reporte", *RETRIES)
FETCH_ROWS = 10_000
STATE_IN_FLIGHT = 128

Position = tuple[int, int]
"""Ledger and entry of the last message that a topic held."""


class Recorder:
    """Reads what a run leaves behind.

    Parameters
    ----------
    stack
        The system.
    prefix
        How the ids of the run's orders begin.
    whole
        Read topics from their start; otherwise from where they stand now, at the run's start.
    """

    def __init__(self, stack: Tienda, prefix: str, *, whole: bool = False) -> None:
        self._stack = stack
        self._prefix = prefix
        topics = [COMMANDS, *EVENTS, REFUNDS, *RETRIES, *(f"{topic}-DLQ" for topic in DEAD_LETTER_SOURCES)]
        self._since = {topic: None if whole else self._last(topic) for topic in topics}

    def history(
        self,
        sent: Iterable[Sent],
        *,
        idle: bool,
        state_port: int | None,
        state_ids: Sequence[str] = (),
        with_report: bool = True,
    ) -> History:
        """Return what is there now; most of it is read as the checker asks for it.

        Parameters
        ----------
        sent
            What the client sent.
        idle
            Whether the system has been seen at rest.
        state_port
            Where the state store is.
        state_ids
            Orders whose status the state store is asked for.
        with_report
            Whether Reporting is asked for a report.
        """
        return History(
            prefix=self._prefix,
            idle=idle,
            sent=sent,
            commands=self._messages(COMMANDS),
            events={topic: self._messages(topic) for topic in EVENTS},
            refunds_asked=self._messages(REFUNDS),
            letters=self._letters(),
            ordenes=self._rows(
                "ordenes",
                OrdenRow,
                "SELECT id, client_id, address, status, total_cents, currency, version,"
                " transaction_id FROM ordenes WHERE id >= %s AND id < %s",
            ),
            transacciones=self._rows(
                "pagos",
                TransaccionRow,
                "SELECT order_id, id, status, amount_cents, currency FROM transacciones"
                " WHERE order_id >= %s AND order_id < %s",
            ),
            reembolsos=self._reembolsos(),
            reporte=self._rows(
                "reporting",
                ReporteRow,
                "SELECT id, client_id, status, total_cents, currency, version FROM ordenes WHERE id >= %s AND id < %s",
            ),
            report=self._report() if with_report else None,
            state=self._state(state_port, state_ids) if state_port and state_ids else None,
            totals=self._totals() if state_port else None,
        )

    def shows_totals(self) -> bool:
        """Whether the running totals in the state store equal those of Reporting's table."""
        return all(shown == counted for _key, shown, counted in self._totals())

    # -- topics

    def seconds_since_last_retry(self) -> float:
        """Return the time since a message was last put off for another attempt; timers don't count."""
        last_ms = 0
        for topic in RETRIES:
            for message in self._read(topic):
                if SOURCE_TOPIC in message.properties():
                    last_ms = max(last_ms, message.publish_timestamp())
        return time.time() - last_ms / 1000

    def _last(self, topic: str) -> Position:
        # The broker reads the last entry for what it calls lastMessageId, and hangs where that is malformed.
        stats = self._stack.admin("GET", f"/admin/v2/persistent/{NAMESPACE}/{topic}-partition-0/internalStats")
        ledger, entry = stats["lastConfirmedEntry"].split(":")
        return int(ledger), int(entry)

    def _messages(self, topic: str) -> Iterator[Message]:
        for message in self._read(topic):
            yield Message(message.data(), message.publish_timestamp(), message.message_id())

    def _letters(self) -> Iterator[Letter]:
        for source in DEAD_LETTER_SOURCES:
            for message in self._read(f"{source}-DLQ"):
                properties = message.properties()
                first = properties.get(SOURCE_TOPIC, source).rsplit("/", 1)[-1]
                yield Letter(
                    first, properties.get(SOURCE_MESSAGE_ID, ""), properties.get(ERROR_TYPE, ""), message.data()
                )

    def _read(self, topic: str) -> Iterator[Any]:
        """Yield every message of a topic; `Unreadable` unless the last one that the broker names was among them."""
        try:
            (partition,) = self._stack.client.get_topic_partitions(self._stack.topic(topic))
            since, last = self._since[topic] or (-1, -1), self._last(topic)
            if since == last or last[1] < 0:
                # Not read: it may be an entry that the broker gives nobody, or there is none.
                return
            reader = self._stack.client.open_reader(partition, MessageId(*since) if since[1] >= 0 else EARLIEST)
        except (pulsar.PulsarException, PulsarError, WireError, OSError) as error:
            raise Unreadable(f"{topic}: {error}") from error
        with closing(reader):
            while reader.seen[:2] < last and (message := reader.read(10.0)) is not None:
                if message.message_id()[:2] > since and not message.problem:
                    yield message
            yield from (message for message in reader.rest() if not message.problem)
        if reader.seen[:2] < last:
            raise Unreadable(f"{topic} ends at {last}, and was read up to {reader.seen[:2]} only")

    # -- tables

    def _rows(self, database: str, kind: Callable[..., Any], query: str) -> Iterator[Any]:
        try:
            with (
                psycopg.connect(self._stack.dsns[database]) as connection,
                connection.cursor("recorder", binary=True) as cursor,
            ):
                cursor.execute(query.encode(), (self._prefix, self._prefix + LAST))
                while rows := cursor.fetchmany(FETCH_ROWS):
                    for row in rows:
                        yield kind(*row)
        except psycopg.Error as error:
            raise Unreadable(f"database {database}: {error}") from error

    def _reembolsos(self) -> Iterator[ReembolsoRow]:
        try:
            ((there,),) = self._stack.rows("pagos", "SELECT to_regclass('reembolsos') IS NOT NULL")
        except psycopg.Error as error:
            raise Unreadable(f"database pagos: {error}") from error
        if there:
            yield from self._rows(
                "pagos",
                ReembolsoRow,
                "SELECT order_id, transaction_id, amount_cents, currency FROM reembolsos"
                " WHERE order_id >= %s AND order_id < %s",
            )

    def _report(self) -> Iterator[str]:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "report.csv"
            done = alpes("report", "--format", "csv", "--output", str(file), tienda=self._stack, timeout=600)
            if done.returncode != 0:
                raise Unreadable(f"alpes report: {done.stdout[-500:]}{done.stderr[-500:]}")
            with file.open(newline="") as lines:
                for row in csv.DictReader(lines):
                    yield row["id"]

    # -- state store

    def _state(self, port: int | None, ids: Sequence[str]) -> Iterator[tuple[str, str | None]]:
        """Ask the state store itself, many requests in flight; the admin API takes a millisecond each."""
        try:
            settings = StorageClientSettings(service_uri=f"bk://127.0.0.1:{port}")
            client = kv.Client(storage_client_settings=settings, namespace=NAMESPACE.replace("/", "_"))
            table = client.table(table_name="ordenes")
            stub, stream = table.__table_service__, table.__stream_props__.stream_id
            for start in range(0, len(ids), STATE_IN_FLIGHT):
                asked = [(order_id, _ask(stub, stream, order_id)) for order_id in ids[start : start + STATE_IN_FLIGHT]]
                for order_id, call in asked:
                    answer = call.result()
                    if answer.header.code != 0:
                        raise Unreadable(f"the state store answered code {answer.header.code}")
                    yield order_id, answer.kvs[0].value.decode() if answer.kvs else None
        except grpc.RpcError as error:
            raise Unreadable(f"the state store: {error}") from error

    def _totals(self) -> Iterator[tuple[str, int, int]]:
        try:
            counted = self._stack.totals()
            shown = self._stack.shown_totals(counted)
            yield from ((key, shown[key], number) for key, number in counted.items())
        except (psycopg.Error, PulsarError) as error:
            raise Unreadable(f"the running totals: {error}") from error


def _ask(stub: Any, stream: int, order_id: str) -> Any:
    key = order_id.encode()
    request = kv_rpc_pb2.RangeRequest(key=key, header=kv_rpc_pb2.RoutingHeader(stream_id=stream, r_key=key))
    metadata = [("bk-rt-sid-bin", to_bytes(stream, 8, "big")), ("bk-rt-key-bin", key)]
    return stub.Range.future(request, metadata=metadata, timeout=10 * PATIENCE)
