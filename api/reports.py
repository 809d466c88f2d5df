"""Reads a report's parts from their topic, in order, and from one making: no more than a part is in memory."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http import HTTPStatus

from google.protobuf.message import DecodeError

from alpes_wire import EARLIEST, Message, MessageId, WireError
from api.problems import Problem
from connection.admin import Admin
from connection.client import Client
from connection.errors import PulsarError
from connection.reading import Partition, key, partitions, read, start_at
from schemas.tienda.topics import REPORTE_GENERADO
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado

CLOCK_TOLERANCE_MS = 60_000
"""Parts carry the time of Reporting's clock, and the report's id that of ours."""
NEXT_PART_S = 60.0
"""How long the next part of a report may take that has begun."""
LOOK_S = 0.2
VERSION_7 = 7


def new_id(now_ms: int) -> str:
    """Return an id for a report, a UUID of version 7: the time in it says from where on to look for the report."""
    bits = now_ms << 80 | VERSION_7 << 76 | 0b10 << 62 | uuid.uuid4().int & ~(~0 << 62)
    return str(uuid.UUID(int=bits | (uuid.uuid4().int & 0xFFF) << 64))


def asked_at_ms(report_id: str) -> int:
    """Return when a report was asked for, in Unix milliseconds.

    Raises
    ------
    Problem
        If the id is none of `new_id`.
    """
    try:
        found = uuid.UUID(report_id)
    except ValueError:
        found = uuid.UUID(int=0)
    if found.version != VERSION_7 or str(found) != report_id:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "no-report",
            "There is no such report: POST /reports answers with the id of a new one.",
        )
    return found.int >> 80


class Unfinished(Exception):
    """The rest of a report doesn't come. The connection is broken, so that nobody takes the beginning for the whole."""


@dataclass
class Making:
    """One making of a report.

    Attributes
    ----------
    made_at_ms : int
        Tells it from others.
    partition : Partition
        Where its parts lie.
    begins : MessageId
        The place of its first part.
    parts : int
        How many came, from the first on.
    is_whole : bool
        Whether all came.
    failed : ReporteGenerado or None
        The part that says why there will be no report.
    """

    made_at_ms: int
    partition: Partition
    begins: MessageId
    parts: int = 0
    is_whole: bool = False
    failed: ReporteGenerado | None = None

    def take(self, part: ReporteGenerado) -> bool:
        """Count a part; return whether it is the next one. Parts come again if Reporting sends them again."""
        if part.error:
            self.failed = part
            return True
        if part.part != self.parts or self.is_whole:
            return False
        self.parts += 1
        self.is_whole = part.last
        return True


class Makings:
    """Tells the makings of one report apart: Reporting makes it again if it was stopped or its database was away."""

    def __init__(self) -> None:
        self._makings: dict[int, Making] = {}

    def take(self, part: ReporteGenerado, partition: Partition, place: MessageId) -> None:
        """Count a part, and note where it lies."""
        found = self._makings.get(part.generated_at_ms)
        if found is None and _begins(part):
            found = self._makings[part.generated_at_ms] = Making(part.generated_at_ms, partition, place)
        if found is not None:
            found.take(part)

    def chosen(self) -> Making | None:
        """Return the making that is whole; without one, the one that began last; None if none has begun."""
        every = list(self._makings.values())
        return next((each for each in every if each.is_whole), every[-1] if every else None)


def parts(
    client: Client, admin: Admin, report_id: str, wait_s: float, stop: threading.Event
) -> Iterator[ReporteGenerado]:
    """Yield the parts of a report, from the first to the last; nothing if it hasn't begun after `wait_s`.

    First the topic is read to its end, and a making chosen that is whole, or may become so. Its parts are then read
    again: a report may be larger than memory.

    Parameters
    ----------
    client, admin
        The connection to Pulsar.
    report_id
        Of `new_id`.
    wait_s
        How long to wait for its beginning, once the topic is read.
    stop
        Ends the reading early, within `LOOK_S`.

    Raises
    ------
    Unfinished
        If no further part comes, or Reporting begins it anew.
    PulsarError, WireError
        If the topic can't be read.
    """
    making = _chosen(client, admin, report_id, wait_s, stop)
    if making is None:
        return
    if making.failed is not None and not making.is_whole:
        yield making.failed
        return
    yield from _followed(client, report_id, making, stop)


def _chosen(client: Client, admin: Admin, report_id: str, wait_s: float, stop: threading.Event) -> Making | None:
    since_ms = asked_at_ms(report_id) - CLOCK_TOLERANCE_MS
    found, places = Makings(), partitions(admin, REPORTE_GENERADO)
    for place in places:
        for message in read(client, admin, place, start=start_at(admin, place, since_ms)):
            if (part := _part(message, report_id)) is not None:
                found.take(part, place, message.message_id())
    if found.chosen() is not None or not places:
        return found.chosen()
    with ExitStack() as opened:
        readers = [opened.enter_context(closing(client.open_reader(each.name, _after(each)))) for each in places]
        ends_at = time.monotonic() + wait_s
        while found.chosen() is None and time.monotonic() < ends_at and not stop.is_set():
            for reader, place in zip(readers, places, strict=True):
                came = reader.read(LOOK_S)
                if came is not None and (part := _part(came, report_id)) is not None:
                    found.take(part, place, came.message_id())
    return found.chosen()


def _followed(client: Client, report_id: str, chosen: Making, stop: threading.Event) -> Iterator[ReporteGenerado]:
    begins = MessageId(chosen.begins.ledger, chosen.begins.entry)
    making = Making(chosen.made_at_ms, chosen.partition, begins)
    with closing(client.open_reader(making.partition.name, begins)) as reader:
        ends_at = time.monotonic() + NEXT_PART_S
        while not stop.is_set():
            message = reader.read(LOOK_S)
            part = None if message is None else _part(message, report_id)
            after_ms = 0 if part is None else part.generated_at_ms - chosen.made_at_ms
            if part is not None and after_ms == 0 and making.take(part):
                yield part
                if part.last:
                    return
            elif part is not None and after_ms > 0 and _begins(part) and not chosen.is_whole:
                raise Unfinished(f"Reporting begins report {report_id} anew: ask again.")
            # What lay in the topic before is read without haste, whatever it is.
            if part is not None or (message is not None and reader.seen[:2] <= making.partition.end):
                ends_at = time.monotonic() + NEXT_PART_S
            elif time.monotonic() > ends_at:
                raise Unfinished(f"Report {report_id} ends after part {making.parts - 1} of more.")


def _begins(part: ReporteGenerado) -> bool:
    return part.part == 0 or bool(part.error)


def _after(partition: Partition) -> MessageId:
    end = partition.end
    return MessageId(end.ledger, end.entry + 1) if end.ledger >= 0 else EARLIEST


def _part(message: Message, report_id: str) -> ReporteGenerado | None:
    if message.problem or key(message) != report_id:
        return None
    try:
        return ReporteGenerado.FromString(message.data())
    except DecodeError:
        return None


class Sum:
    """Compares what was read with what Reporting says on the last part that it made."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self._bytes = 0

    def add(self, part: ReporteGenerado) -> None:
        """Add a part.

        Raises
        ------
        Unfinished
            If Reporting gave the report up, or the parts aren't what Reporting made.
        """
        if part.error:
            raise Unfinished(f"Report {part.report_id}: {part.error}")
        self._digest.update(part.content)
        self._bytes += len(part.content)
        # A Reporting of the first releases doesn't say.
        if part.last and part.sha256 and (self._bytes, self._digest.digest()) != (part.content_bytes, part.sha256):
            raise Unfinished(f"Report {part.report_id} differs from what Reporting made.")


FAILURES = (PulsarError, WireError)
"""What the topic's being unreadable looks like."""
