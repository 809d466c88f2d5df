"""Draws entries: valid ones of every form, and what one to three mutations make of them."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from struct import pack

import cramjam

from tests.fields import text, varint, whole
from tests.raw_producer import Raw, in_batch, read_varint

EXTREMES = (0, 1, 2, -1, 127, 128, 2_000, 20_000, 20_001, 100_000, 100_001, 2**31 - 1, 2**31, -(2**31), 2**32 - 1)
HUGE = (2**32, 2**63 - 1, -(2**63), 2**64 - 1)
NUMBERS = (2, 3, 8, 9, 11, 12, 17, 20, 22, 23, 24, 25, 27, 28, 29, 30)
"""The number fields of an entry's metadata, without the time of its delivery, which could be years away."""
DELIVER_AT, LONGEST_DELAY_MS = 19, 2_000
MARKER = 20
"""The field that marks an entry as meant for the broker itself."""
TEXTS = (1, 4, 5, 6, 7, 13, 14, 15, 16, 18, 21, 26, 31)
COMPRESSIONS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data,
    lambda data: bytes(cramjam.lz4.compress_block(data, store_size=False)),
    zlib.compress,
    lambda data: bytes(cramjam.zstd.compress(data)),
    lambda data: bytes(cramjam.snappy.compress_raw(data)),
)
"""Compressions by Pulsar's number."""
MOST_BYTES = 20_000


@dataclass(frozen=True)
class Draft:
    """An entry whose parts can still be changed.

    Attributes
    ----------
    fields
        Those of the metadata, as they are written.
    payload, messages, is_piece, metadata_size
        See `Raw`.
    """

    fields: tuple[bytes, ...]
    payload: bytes
    messages: int = 1
    is_piece: bool = False
    metadata_size: int | None = None

    def raw(self) -> Raw:
        """Return the entry."""
        return Raw(b"".join(self.fields), self.payload, self.messages, self.is_piece, self.metadata_size)


def valid(random: Random, now_ms: int, payload: Callable[[], bytes]) -> list[Draft]:
    """Return the entries of a message, or of several in a batch, as a library writes them.

    Parameters
    ----------
    random
        Draws.
    now_ms
        When they are published.
    payload
        Makes another message.
    """
    fields = [text(1, "raw"), whole(2, random.randrange(1_000)), whole(3, now_ms)]
    if random.random() < 0.3:
        fields += [text(4, text(1, "name") + text(2, "value")), text(6, f"key-{random.randrange(100)}")]
    if random.random() < 0.05:
        fields.append(whole(DELIVER_AT, now_ms + random.randrange(LONGEST_DELAY_MS)))
    number = random.choice((0, 0, 1, 3, 20))
    data = b"".join(in_batch(payload(), text(2, "k")) for _ in range(number)) if number else payload()
    compression = random.choice((0, 0, 1, 2, 3, 4))
    if compression:
        fields += [whole(8, compression), whole(9, len(data))]
        data = COMPRESSIONS[compression](data)
    if number:
        return [Draft((*fields, whole(11, number)), data, number)]
    if random.random() < 0.6:
        return [Draft(tuple(fields), data)]
    count = random.randrange(2, 5)
    fields += [text(26, random.randbytes(8).hex()), whole(27, count), whole(28, len(data))]
    size = -(-len(data) // count)
    return [Draft((*fields, whole(29, n)), data[n * size : (n + 1) * size], is_piece=True) for n in range(count)]


def mutated(random: Random, drafts: Sequence[Draft], others: Sequence[Draft]) -> list[Draft]:
    """Return what one to three mutations make of some entries; ``others`` lend their parts."""
    found = list(drafts)
    for _ in range(random.choice((1, 1, 2, 3))):
        if random.random() < 0.2:
            found = _several(random, found, others)
        if found:
            at = random.randrange(len(found))
            found[at] = random.choice(MUTATIONS)(random, found[at], random.choice(others))
    return found


def _several(random: Random, drafts: list[Draft], others: Sequence[Draft]) -> list[Draft]:
    """Leave one out, send one twice, change their order, or put a foreign one among them."""
    at = random.randrange(len(drafts)) if drafts else 0
    match random.randrange(4):
        case 0:
            return drafts[:at] + drafts[at + 1 :]
        case 1:
            return [*drafts, *drafts[at : at + 1]]
        case 2:
            return random.sample(drafts, len(drafts))
        case _:
            return [*drafts[:at], random.choice(others), *drafts[at:]]


def _number(random: Random) -> int:
    return random.choice((*EXTREMES, *HUGE, random.randrange(2**8), random.randrange(2**16)))


def _sets_a_number(random: Random, draft: Draft, other: Draft) -> Draft:
    return _with(draft, whole(random.choice(NUMBERS), _number(random)))


def _lies_about_its_messages(random: Random, draft: Draft, other: Draft) -> Draft:
    return _with(draft, whole(11, random.choice(EXTREMES)))


def _lies_about_its_pieces(random: Random, draft: Draft, other: Draft) -> Draft:
    some = random.sample((26, 27, 28, 29), random.randrange(1, 4))
    return _with(draft, *(text(26, "u") if n == 26 else whole(n, random.choice(EXTREMES)) for n in some))


def _sets_a_text(random: Random, draft: Draft, other: Draft) -> Draft:
    length = random.choice((0, 1, 8, 300, 5_000))
    value = random.choice((random.randbytes(length), b"\xff" * length, b"\0" * length, "ñ€".encode() * length))
    return _with(draft, text(random.choice(TEXTS), value))


def _sets_a_property(random: Random, draft: Draft, other: Draft) -> Draft:
    names = (b"source.topic", b"source.message_id", b"attempt", b"replay.1", b"", b"\xff", random.randbytes(9))
    value = random.choice((b"persistent://alpes/tienda/crear-orden", b"-1", b"\xc0\x80", random.randbytes(40)))
    return _with(draft, text(4, text(1, random.choice(names)) + text(2, value)))


def _is_encrypted(random: Random, draft: Draft, other: Draft) -> Draft:
    return _with(draft, text(13, text(1, random.randbytes(3)) + text(2, random.randbytes(30))))


def _says_another_compression(random: Random, draft: Draft, other: Draft) -> Draft:
    size = random.choice((0, 1, len(draft.payload), 8_000_000, 8_000_001, 2**32 - 1))
    return _with(draft, whole(8, random.choice((0, 1, 2, 3, 4, 5, 99))), whole(9, size))


def _loses_a_field(random: Random, draft: Draft, other: Draft) -> Draft:
    at = random.randrange(max(1, len(draft.fields)))
    return replace(draft, fields=draft.fields[:at] + draft.fields[at + 1 :])


def _takes_the_metadata_of_another(random: Random, draft: Draft, other: Draft) -> Draft:
    return replace(draft, fields=other.fields)


def _has_a_broken_field(random: Random, draft: Draft, other: Draft) -> Draft:
    kind = random.randrange(8)
    broken = varint(random.randrange(1, 40) << 3 | kind) + random.choice((b"", b"\xff" * 11, varint(2**31), b"\x05a"))
    at = random.randrange(len(draft.fields) + 1)
    return replace(draft, fields=(*draft.fields[:at], broken, *draft.fields[at:]))


def _has_broken_metadata(random: Random, draft: Draft, other: Draft) -> Draft:
    return replace(draft, fields=(_broken(random, b"".join(draft.fields), b"".join(other.fields)),))


def _has_a_broken_payload(random: Random, draft: Draft, other: Draft) -> Draft:
    return replace(draft, payload=_broken(random, draft.payload, other.payload))


def _has_a_broken_message_in_its_batch(random: Random, draft: Draft, other: Draft) -> Draft:
    more = random.choice(
        (
            pack(">I", _number(random) & 0xFFFFFFFF),
            in_batch(b"x", size=_number(random)),
            in_batch(b"x", whole(4, 1)),
            in_batch(b"x", text(1, b"\xff")),
            pack(">I", 0) * random.choice((1, 100, 3_000)),
        )
    )
    return _with(replace(draft, payload=draft.payload + more), whole(11, random.choice((1, 2, 5, 3_000))))


def _lies_about_the_size_of_its_metadata(random: Random, draft: Draft, other: Draft) -> Draft:
    size = sum(map(len, draft.fields))
    return replace(
        draft, metadata_size=random.choice((0, 1, size - 1, size + 1, size + len(draft.payload), _number(random)))
    )


def _tells_the_broker_something_else(random: Random, draft: Draft, other: Draft) -> Draft:
    return replace(draft, messages=random.choice(EXTREMES), is_piece=random.random() < 0.5)


MUTATIONS = (
    _sets_a_number,
    _sets_a_number,
    _lies_about_its_messages,
    _lies_about_its_pieces,
    _sets_a_text,
    _sets_a_property,
    _is_encrypted,
    _says_another_compression,
    _loses_a_field,
    _takes_the_metadata_of_another,
    _has_a_broken_field,
    _has_broken_metadata,
    _has_a_broken_payload,
    _has_a_broken_payload,
    _has_a_broken_message_in_its_batch,
    _lies_about_the_size_of_its_metadata,
    _tells_the_broker_something_else,
)


def _with(draft: Draft, *fields: bytes) -> Draft:
    """Of a repeated field, the last value counts."""
    return replace(draft, fields=(*draft.fields, *fields))


def _broken(random: Random, data: bytes, other: bytes) -> bytes:
    """Cut bytes off, change, insert or repeat some, or continue with the bytes of another value."""
    at = random.randrange(len(data) + 1)
    to = random.randrange(at, len(data) + 1)
    match random.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[to:]
        case 2:
            return data[:at] + bytes(byte ^ 1 << random.randrange(8) for byte in data[at : at + 3]) + data[at + 3 :]
        case 3:
            return data[:at] + random.choice((b"\0" * 8, b"\xff" * 8, random.randbytes(8))) + data[at:]
        case 4:
            return (data[:to] + data[at:to] + data[to:])[:MOST_BYTES]
        case _:
            return data[:at] + other[random.randrange(len(other) + 1) :]


def is_for_the_broker(raw: Raw) -> bool:
    """Whether the broker acknowledges an entry itself: a marker, or one without readable metadata."""
    body = raw.body()[4:]
    size = len(raw.metadata) if raw.metadata_size is None else raw.metadata_size & 0xFFFFFFFF
    found = _strictly_read(body[:size]) if size <= len(body) else None
    if found is None or not {1, 2, 3} <= {number for number, _ in found} or MARKER in [number for number, _ in found]:
        return True
    for number, value in found:
        nested = _strictly_read(value) if number in (4, 13) else []
        if nested is None or (number in (4, 13) and not {1, 2} <= {inner for inner, _ in nested}):
            return True
    return False


def _strictly_read(message: bytes) -> list[tuple[int, bytes]] | None:
    """Return the fields of a Protobuf message; None if the bytes are none, or hold groups, which Pulsar refuses."""
    found: list[tuple[int, bytes]] = []
    at = 0
    try:
        while at < len(message):
            tag, at = read_varint(message, at)
            start = at
            match tag & 7:
                case 0:
                    _, at = read_varint(message, at)
                case 1:
                    at += 8
                case 2:
                    size, start = read_varint(message, at)
                    at = start + size
                case 5:
                    at += 4
                case _:
                    return None
            if at > len(message):
                return None
            found.append((tag >> 3, message[start:at]))
    except IndexError:
        return None
    return found


def cases(random: Random, now_ms: int, payload: Callable[[], bytes]) -> Iterator[list[Draft]]:
    """Yield the entries of one message or batch after another; every tenth is unchanged."""
    seen = valid(random, now_ms, payload)
    number = 0
    while True:
        drafts = valid(random, now_ms, payload)
        number += 1
        yield drafts if number % 10 == 0 else mutated(random, drafts, seen)
        seen = (seen + drafts)[-50:]
