"""Follows topics and Pulsar's figures while somebody looks, however many pages are open."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from google.protobuf.message import DecodeError

from alpes_wire import Entry, Message, messages_in, sample
from alpes_wire.names import DEAD_LETTER_SUFFIX
from api.live.aggregation import Aggregate, Ended
from api.live.figures import Figures
from api.live.letters import WaitingLetter, WaitingLetters
from api.live.sampler import Sampler
from api.live.scan import waiting_letters
from connection.admin import Admin
from connection.client import Client, connected
from connection.errors import PulsarError
from connection.reading import key
from connection.tail import EntryTail, Tail
from operations.dlq.letters import letter_of
from schemas.tienda import money
from schemas.tienda.topics import DLQ_BITACORA, ORDEN_ACTUALIZADA
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada
from terminal.errors import CommandError

FIGURES_EVERY_S = 2.0
"""How often functions and totals are asked for; what was sent is asked for each second."""
SENT_FOR_S = 3.0
"""How long what was sent a second counts; a broker that answers slowly leaves a gap instead."""
ADMIN_TIMEOUT_S = 5.0
PAUSE_AFTER_ERROR_S = 2.0
LETTERS_PER_S = 200
"""Dead letters that are read a second; further ones are counted."""
UNEXPECTED = "The API failed to follow the system, and tries again: its log says why."
STOP_S = 2.0
"""How long stopping waits for each thread."""


_log = logging.getLogger(__name__)


class Collector:
    """Follows the system between `start` and `stop`, and tells once a second what is new.

    Parameters
    ----------
    service_url, admin_url
        Pulsar's two addresses.
    tell
        Called each second, from a thread of the collector's, with what is new.
    """

    def __init__(self, service_url: str, admin_url: str, tell: Callable[[dict[str, Any]], None]) -> None:
        self._service_url = service_url
        self._admin_url = admin_url
        self._tell = tell
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._aggregate = Aggregate(int(time.time()))
        self._sampler = Sampler()
        self._letters = WaitingLetters()
        self._letters_in = (0, 0)
        self._tail: EntryTail | None = None
        self._sent_per_s: tuple[float | None, float] = (None, 0.0)
        self._known: dict[str, Any] = {}
        self._problems = {"topics": "not connected yet", "sent": "", "functions": ""}
        self._threads = [
            threading.Thread(target=target, name=f"live-{name}", daemon=True)
            for name, target in (("seconds", self._run_seconds), ("follow", self._run_following))
        ]

    def start(self) -> None:
        """Begin to follow; each collector does this once."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop following, and wait until the threads have ended."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(STOP_S)

    def snapshot(self) -> dict[str, Any]:
        """Return all that is known now."""
        with self._lock:
            return {
                "at_ms": time.time_ns() // 1_000_000,
                "points": self._aggregate.points(),
                "headline": self._aggregate.headline(),
                "orders": self._aggregate.orders(),
                "letters": self._letters.as_json(),
                "problems": dict(self._problems),
                "currencies": money.currencies(),
                **self._known,
            }

    def _run_seconds(self) -> None:
        second = int(time.time())
        while not self._stopping.wait(max(0.0, second + 1 - time.time())):
            second = int(time.time())
            self._tell(self._end_second(second))

    def _end_second(self, now_s: int) -> dict[str, Any]:
        with self._lock:
            read = self._tail is not None and self._tail.connected
            sent_per_s, at_s = self._sent_per_s
            is_fresh = time.monotonic() - at_s < SENT_FOR_S
            ended = self._aggregate.close(now_s, read=read, sent_per_s=sent_per_s if is_fresh else None)
            new: dict[str, Any] = {
                "at_ms": time.time_ns() // 1_000_000,
                "point": ended.point(),
                "headline": self._aggregate.headline(),
                "orders": [each.as_json() for each in reversed(ended.last)],
                "problems": dict(self._problems),
                **self._known,
            }
            if self._letters.changed:
                self._letters.changed = False
                new["letters"] = self._letters.as_json()
            return new

    def _run_following(self) -> None:
        while not self._stopping.is_set():
            try:
                admin = Admin(self._admin_url, timeout_s=ADMIN_TIMEOUT_S, pauses_s=())
                with ExitStack() as stack, connected(self._service_url) as client:
                    self._open(stack, client, admin)
                    self._poll(admin)
            except (PulsarError, CommandError) as error:
                self._note("topics", str(error))
            except Exception:  # noqa: BLE001 - whatever an answer looked like that nobody foresaw
                _log.exception("The live page can't follow the system")
                self._note("topics", UNEXPECTED)
            finally:
                self._tail = None
            self._stopping.wait(PAUSE_AFTER_ERROR_S)

    def _open(self, stack: ExitStack, client: Client, admin: Admin) -> None:
        dead = [topic for topic in admin.topics() if topic.endswith(DEAD_LETTER_SUFFIX)]
        tail = stack.enter_context(EntryTail(client, (ORDEN_ACTUALIZADA,), self._orders_came))
        stack.enter_context(Tail(client, dead, self._letter_came))
        stack.enter_context(Tail(client, (DLQ_BITACORA,), self._dealt_with))
        self._tail = tail
        self._note("topics", "")
        # They were there before; reading them can take a while.
        scan = threading.Thread(target=self._scan, args=(client, admin), name="live-scan", daemon=True)
        scan.start()
        stack.callback(scan.join, STOP_S)

    def _scan(self, client: Client, admin: Admin) -> None:
        try:
            found = waiting_letters(client, admin, self._stopping)
            problem = ""
        except (PulsarError, CommandError) as error:
            found, problem = None, str(error)
        with self._lock:
            self._letters.problem = problem
            self._letters.changed = True
            for letter in found.letters if found else ():
                self._letters.add(letter)
            self._letters.older = bool(found and found.older)

    def _poll(self, admin: Admin) -> None:
        figures, functions_at = Figures(admin), 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            self._read_sent(figures)
            if began - functions_at >= FIGURES_EVERY_S:
                functions_at = began
                self._read_functions(figures)
            self._stopping.wait(max(0.1, 1.0 - (time.monotonic() - began)))

    def _read_sent(self, figures: Figures) -> None:
        problem = ""
        try:
            self._sent_per_s = (figures.sent_per_s(), time.monotonic())
        except PulsarError as error:
            self._sent_per_s, problem = (None, 0.0), str(error)
        self._note("sent", problem)

    def _read_functions(self, figures: Figures) -> None:
        with self._lock:
            currencies = self._aggregate.currencies()
        known: dict[str, Any] = {}
        problem = ""
        try:
            known["functions"] = [each.as_json() for each in figures.functions()]
            known["totals"] = figures.totals(currencies)
        except PulsarError as error:
            problem = str(error)
        with self._lock:
            self._known = known
        self._note("functions", problem)

    def _orders_came(self, _topic: str, entry: Entry, arrived_ns: int) -> None:
        events = messages_in(entry)
        with self._lock:
            first = self._sampler.take(events, arrived_ns // 1_000_000_000)
            every = self._sampler.every
        decoded = [found for message in sample(entry, first, every) if (found := _ended(message)) is not None]
        with self._lock:
            self._aggregate.add(events, every, decoded)

    def _letter_came(self, topic: str, message: Message, arrived_ns: int) -> None:
        second, before = arrived_ns // 1_000_000_000, self._letters_in
        with self._lock:
            self._letters_in = (second, before[1] + 1 if before[0] == second else 1)
            if self._letters_in[1] > LETTERS_PER_S:
                self._letters.pass_over(1)
                return
            source = topic.removesuffix(DEAD_LETTER_SUFFIX)
            self._letters.add(WaitingLetter.of(letter_of(source, message.message_id().partition(), message)))

    def _dealt_with(self, _topic: str, message: Message, _arrived_ns: int) -> None:
        with self._lock:
            self._letters.dealt_with(key(message))

    def _note(self, about: str, problem: str) -> None:
        with self._lock:
            self._problems[about] = problem


def _ended(message: Message) -> Ended | None:
    event = OrdenActualizada()
    with suppress(DecodeError):
        event.ParseFromString(message.data())
        return Ended(
            event.id,
            event.client_id,
            event.status,
            event.version,
            event.total_cents if event.HasField("total_cents") else None,
            event.currency,
            event.created_at_ms,
            event.updated_at_ms,
        )
    return None
