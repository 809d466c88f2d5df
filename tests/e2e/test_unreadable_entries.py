"""Entries that can't be read, sent by hand, on every input: each is dead-lettered, and harms no other."""

import json
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import pytest

from alpes_wire import LATEST
from alpes_wire.names import ERROR_MESSAGE, ERROR_TYPE, SOURCE_MESSAGE_ID
from tests.e2e.tienda import INPUTS, Tienda, alpes, new_prefix, note, orders, wait_until
from tests.fields import text, whole
from tests.raw_producer import Raw, RawProducer, batch, in_batch, metadata, pieces

pytestmark = pytest.mark.core

TOPICS = [topic for topics in INPUTS.values() for topic in topics]
NO_MESSAGE = b"\xff" * 40
"""A payload that the consumer reads, and that every handler refuses."""
LETTERED_S, PIECES_LETTERED_S = 15.0, 40.0
"""A piece first waits 10 s for the others, and some lie behind pieces that the broker keeps back."""
FLOOD = 2_500
"""How many encrypted entries; the library's consumer stops for ever after 2,000."""
NEAR_LIMIT = 5_000_000


class Kind(NamedTuple):
    """A kind of entry that can't be read.

    Attributes
    ----------
    make
        The entries.
    problem
        What a dead letter says of it; each says the same.
    letters
        How many letters there are at least.
    within
        In how many seconds.
    """

    make: Callable[[], Sequence[Raw]]
    problem: str
    letters: int = 1
    within: float = LETTERED_S


def one(*more: bytes, payload: bytes = NO_MESSAGE) -> Callable[[], Sequence[Raw]]:
    return lambda: [Raw(metadata(*more), payload)]


def compressed(kind: int, size: int = len(NO_MESSAGE)) -> Callable[[], Sequence[Raw]]:
    return one(whole(8, kind), whole(9, size))


def interleaved(senders: int) -> Sequence[Raw]:
    """Return the pieces of many messages, all first pieces first; each message lacks its last piece."""
    messages = [pieces(NO_MESSAGE, 3)[:2] for _ in range(senders)]
    return [piece for same in zip(*messages, strict=True) for piece in same]


ENCRYPTED = text(13, text(1, "k") + text(2, "secret"))
IMPOSSIBLE = "batch of .* messages, as it says"
KINDS = {
    "encrypted": Kind(one(ENCRYPTED), "encrypted for 'k'"),
    "encrypted and too large for a letter": Kind(one(ENCRYPTED, payload=b"x" * NEAR_LIMIT), "encrypted for 'k'"),
    "not LZ4": Kind(compressed(1), "LZ4, but doesn't decompress"),
    "not ZLIB": Kind(compressed(2), "ZLIB, but doesn't decompress"),
    "not ZSTD": Kind(compressed(3), "ZSTD, but doesn't decompress"),
    "not SNAPPY": Kind(compressed(4), "SNAPPY, but doesn't decompress"),
    "compression that nobody knows": Kind(compressed(9), "compression 9"),
    "from no bytes": Kind(compressed(2, 0), "ZLIB, from 0 bytes"),
    "from too many bytes": Kind(compressed(1, 2**32 - 1), "LZ4, from 4,294,967,295 bytes"),
    "a last piece without the first": Kind(
        lambda: pieces(NO_MESSAGE, 2)[1:], "only piece 2 of 2", 1, PIECES_LETTERED_S
    ),
    "a last piece without the first, and a marker": Kind(
        lambda: [raw._replace(metadata=raw.metadata + whole(20, 10)) for raw in pieces(NO_MESSAGE, 2)[1:]],
        "to no consumer: it is a marker",
        1,
        PIECES_LETTERED_S,
    ),
    "a first piece without the last": Kind(
        lambda: pieces(NO_MESSAGE, 2)[:1], "only piece 1 of 2", 1, PIECES_LETTERED_S
    ),
    "a second piece of one": Kind(
        lambda: [Raw(metadata(text(26, uuid.uuid4().hex), whole(27, 1), whole(29, 1)), NO_MESSAGE)],
        "piece 1 of a message of 1 pieces",
    ),
    "pieces of 30 senders at once, without the last ones": Kind(
        lambda: interleaved(30), "only piece", 30, PIECES_LETTERED_S
    ),
    "an empty batch of 5": Kind(lambda: [batch(count=5)], "of which number 1 can't be read"),
    "a batch of 0": Kind(lambda: [batch(b"a", count=0)], IMPOSSIBLE),
    "a batch of -1": Kind(lambda: [batch(b"a", count=-1)], IMPOSSIBLE),
    "a batch of 2^31-1": Kind(lambda: [batch(b"a", count=2**31 - 1)], IMPOSSIBLE),
    "a piece of a batch of 2^31-1": Kind(
        lambda: pieces(NO_MESSAGE, 2, whole(11, 2**31 - 1))[:1], "and a batch of 2,147,483,647"
    ),
    f"{FLOOD} encrypted ones": Kind(
        lambda: [Raw(metadata(ENCRYPTED), b"%d" % n) for n in range(FLOOD)], "encrypted for 'k'", FLOOD, 60.0
    ),
}

WAITING = [what for what, kind in KINDS.items() if kind.within == PIECES_LETTERED_S]
"""The kinds whose entries wait for other pieces; the test lets them wait at the same time."""
HEAVY = {"encrypted and too large for a letter", f"{FLOOD} encrypted ones"}


class Letters:
    """Reads what comes into every dead-letter topic from now on."""

    def __init__(self, stack: Tienda) -> None:
        self._readers = {
            topic: stack.client.open_reader(f"{stack.topic(topic)}-DLQ-partition-0", LATEST) for topic in TOPICS
        }
        self._read: dict[str, defaultdict[str, list[Any]]] = {topic: defaultdict(list) for topic in TOPICS}

    def of(self, topic: str, places: Sequence[str], number: int, seconds: float) -> list[Any]:
        """Wait for so many letters of the entries in these places, and return them."""
        read = self._read[topic]
        deadline = time.monotonic() + seconds
        while len(found := [letter for place in places for letter in read[place]]) < number:
            letter = self._readers[topic].read(0.25)
            if letter is None:
                assert time.monotonic() < deadline, f"{len(found)} of {number} letters in {topic}-DLQ"
            else:
                place = re.sub(r"-?\d+,-?\d+\)$", "", letter.properties()[SOURCE_MESSAGE_ID])
                read[place].append(letter)
        return found

    def close(self) -> None:
        for reader in self._readers.values():
            reader.close()


@pytest.fixture(scope="module")
def letters(stack: Tienda) -> Iterator[Letters]:
    letters = Letters(stack)
    # The broker sends nobody a batch of 0 that is its topic's first and last entry.
    for topic in TOPICS:
        RawProducer(stack.service_url, f"{stack.topic(topic)}-partition-0").send(Raw(metadata(ENCRYPTED)))
    yield letters
    letters.close()


@pytest.fixture
def producers(stack: Tienda) -> Iterator[dict[str, RawProducer]]:
    made = {topic: RawProducer(stack.service_url, f"{stack.topic(topic)}-partition-0") for topic in TOPICS}
    yield made
    for producer in made.values():
        producer.close()


@pytest.fixture(autouse=True)
def orders_go_on(stack: Tienda) -> Iterator[None]:
    """See after each test that an ordinary order ends, that all is acknowledged, and that no instance has restarted."""
    restarts, running = stack.restarts(), {p.pid for f in INPUTS for p in stack.processes(f)}
    yield
    start = new_prefix("u")
    stack.publish("crear-orden", orders(start, 1))
    stack.wait_ended(start, 1, 20)
    wait_until(lambda: not stack.waiting(), 20, "all is acknowledged")
    assert stack.restarts() == restarts
    assert {p.pid for f in INPUTS for p in stack.processes(f)} == running


@pytest.mark.parametrize("together", [[what] for what in KINDS if what not in WAITING] + [WAITING], ids=", ".join)
def test_on_every_input_it_is_dead_lettered(
    together: list[str], letters: Letters, producers: dict[str, RawProducer]
) -> None:
    started = time.monotonic()
    sent = {what: {topic: producers[topic].send_all(KINDS[what].make()) for topic in TOPICS} for what in together}
    for what, places in sent.items():
        kind = KINDS[what]
        for topic, lying in places.items():
            taken = [place for place in lying if place]
            assert len(taken) == len(lying), f"{topic}: {producers[topic].refusal}"
            for letter in letters.of(topic, taken, kind.letters, kind.within):
                properties = letter.properties()
                assert properties[ERROR_TYPE] == "unreadable", properties
                assert re.search(kind.problem, properties[ERROR_MESSAGE]), properties
        note(f"unreadable, {what}: every letter within {time.monotonic() - started:.1f} s, on {len(TOPICS)} inputs")


def test_what_a_broken_batch_has_before_the_broken_part_is_processed(
    stack: Tienda, letters: Letters, producers: dict[str, RawProducer]
) -> None:
    start = new_prefix("c")
    good = [payload for _, payload in orders(start, 2)]
    cut = in_batch(NO_MESSAGE)[:-1]
    producers["crear-orden"].send(batch(*good, count=3, rest=cut))
    places = {topic: producers[topic].send(batch(NO_MESSAGE, NO_MESSAGE, count=3, rest=cut)) for topic in TOPICS}
    stack.wait_ended(start, 2, 20)
    for topic, place in places.items():
        found = {
            letter.properties()[SOURCE_MESSAGE_ID].rsplit(",", 1)[1]: letter.properties()[ERROR_TYPE]
            for letter in letters.of(topic, [place], 3, LETTERED_S)
        }
        assert found == {"0)": "invalid", "1)": "invalid", "2)": "unreadable"}, topic


def test_keys_and_properties_that_are_no_utf8_harm_nothing(
    stack: Tienda, letters: Letters, producers: dict[str, RawProducer]
) -> None:
    start = new_prefix("k")
    ((_, order),) = orders(start, 1)
    odd = text(6, b"\xff\xfe"), text(4, text(1, b"\xff") + text(2, b"\xc0\x80"))
    producers["crear-orden"].send(Raw(metadata(*odd), order))
    single = text(2, b"\xff\xfe"), text(1, text(1, b"\xff") + text(2, b"\xc0\x80"))
    places = {
        topic: (
            producers[topic].send(Raw(metadata(*odd), NO_MESSAGE)),
            producers[topic].send(Raw(metadata(whole(11, 1)), in_batch(NO_MESSAGE, *single))),
        )
        for topic in TOPICS
    }
    stack.wait_ended(start, 1, 20)
    for topic, both in places.items():
        for letter in letters.of(topic, both, 2, LETTERED_S):
            assert (letter.properties()[ERROR_TYPE], letter.data()) == ("invalid", NO_MESSAGE)


def test_messages_of_thirty_senders_in_pieces_are_all_processed(
    stack: Tienda, producers: dict[str, RawProducer]
) -> None:
    start = new_prefix("i")
    cut = [pieces(payload, 2) for _, payload in orders(start, 30)]
    producers["crear-orden"].send_all([piece for same in zip(*cut, strict=True) for piece in same])
    stack.wait_ended(start, 30, 40)


def test_metadata_that_are_none_are_set_aside_by_the_broker_or_lettered(producers: dict[str, RawProducer]) -> None:
    """If the broker can't read an entry's metadata, it acknowledges the entry itself, and no consumer gets it."""
    broken = [Raw(b"\xff" * 30, b"x"), Raw(b"", b"x"), Raw(metadata()[:-3], b"x"), Raw(b"x", b"", metadata_size=2**31)]
    for producer in producers.values():
        producer.send_all(broken)


def test_what_the_broker_withholds_is_found_after_a_reconnect_though_the_last_entry_is_malformed(
    stack: Tienda, letters: Letters, producers: dict[str, RawProducer]
) -> None:
    """The broker then doesn't say up to where all is acknowledged."""
    places = {
        topic: producer.send_all([*pieces(NO_MESSAGE, 2)[1:], batch(count=5)]) for topic, producer in producers.items()
    }
    for function in INPUTS:
        stack.unload(function)
    for topic, (piece, _) in places.items():
        assert piece
        letter, *_ = letters.of(topic, [piece], 1, PIECES_LETTERED_S)
        assert "only piece 2 of 2" in letter.properties()[ERROR_MESSAGE]


def test_operators_commands_go_on_past_them(
    stack: Tienda, producers: dict[str, RawProducer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command reads whole topics, past entries that can't be read, and finds an order before and after them."""
    for service, dsn in stack.dsns.items():
        monkeypatch.setenv(f"ALPES_{service.upper()}_DSN", dsn)
    start = new_prefix("o")
    for producer in producers.values():
        producer.send_all([raw for what, kind in KINDS.items() if what not in HEAVY for raw in kind.make()])
    stack.publish("crear-orden", orders(start, 1))
    stack.wait_ended(start, 1, PIECES_LETTERED_S)
    wait_until(lambda: not stack.waiting(), PIECES_LETTERED_S, "all is acknowledged")
    for command in (
        ("reconcile", "--topics", "--json"),
        ("trace", f"{start}000000", "--json"),
        ("recover", "--all-lost", "--yes", "--json"),
        ("rebuild", "reporting", "--dry-run"),
        ("dlq", "list", "--json"),
    ):
        began = time.monotonic()
        done = alpes(*command, tienda=stack)
        note(f"alpes {command[0]} past unreadable entries of every kind: {time.monotonic() - began:.1f} s")
        # 1 says that something was found, as orders that earlier tests lost on purpose.
        assert done.returncode in (0, 1), f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.stdout
        assert "Traceback" not in done.stderr
        if command[0] == "trace":
            assert done.returncode == 0
            assert json.loads(done.stdout)["status"] == stack.statuses("ordenes", start)[f"{start}000000"]
