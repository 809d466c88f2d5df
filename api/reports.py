"""Reads a report's parts from their topic, in order: nothing of a report is held in memory but one part."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http import HTTPStatus

from google.protobuf.message import DecodeError

from alpes_wire import WireError
from api.problems import Problem
from connection.admin import Admin
from connection.client import Client
from connection.errors import PulsarError
from connection.reading import key, partitions, start_at
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


def parts(client: Client, admin: Admin, report_id: str, wait_s: float) -> Iterator[ReporteGenerado]:
    """Yield the parts of a report, from the first to the last; nothing if it hasn't begun after `wait_s`.

    Parts come again if Reporting sends them again, or makes the report again: the first making that begins is followed.

    Raises
    ------
    Unfinished
        If no further part comes.
    PulsarError, WireError
        If the topic can't be read.
    """
    since_ms = asked_at_ms(report_id) - CLOCK_TOLERANCE_MS
    with ExitStack() as opened:
        readers = [
            opened.enter_context(closing(client.open_reader(each.name, start_at(admin, each, since_ms))))
            for each in partitions(admin, REPORTE_GENERADO)
        ]
        made_at_ms, expected = 0, 0
        ends_at = time.monotonic() + wait_s
        while readers:
            for reader in readers:
                message = reader.read(LOOK_S)
                part = None if message is None or key(message) != report_id else _decoded(message.data())
                if part is None or (expected and part.generated_at_ms != made_at_ms):
                    continue
                # An error ends a report at any part.
                if part.part != expected and not part.error:
                    continue
                yield part
                if part.last:
                    return
                made_at_ms, expected = part.generated_at_ms, expected + 1
                ends_at = time.monotonic() + NEXT_PART_S
            if time.monotonic() > ends_at:
                if expected:
                    raise Unfinished(f"Report {report_id} ends after part {expected - 1} of more.")
                return


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


def _decoded(payload: bytes) -> ReporteGenerado | None:
    try:
        return ReporteGenerado.FromString(payload)
    except DecodeError:
        return None


FAILURES = (PulsarError, WireError)
"""What the topic's being unreadable looks like."""
