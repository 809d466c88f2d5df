"""Decompresses payloads, never to more than is allowed."""

import zlib
from collections.abc import Callable

from .errors import Unreadable
from .protocol_pb2 import LZ4, NONE, SNAPPY, ZLIB, ZSTD

MAX_BYTES = 8_000_000
"""Most bytes of a payload. A broker takes 5 MiB by default, compressed or not; more can't be processed here anyway."""


def decompressed(payload: bytes, kind: int, size: int) -> bytes:
    """Return the payload as it was before it was compressed.

    Parameters
    ----------
    payload
        As it is stored.
    kind
        Pulsar's number of the compression.
    size
        How many bytes it had, as its sender says.

    Raises
    ------
    Unreadable
        It isn't so compressed, or not from so many bytes.
    """
    if kind == NONE:
        return payload
    name, decompress = _KINDS.get(kind, (f"compression {kind}, which is unknown", None))
    if decompress is None:
        raise Unreadable(name)
    if not 0 < size <= MAX_BYTES:
        raise Unreadable(f"{name}, from {size:,} bytes: 1 to {MAX_BYTES:,} can be read")
    try:
        data = decompress(payload, size)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of cramjam's native code is no `Exception`
        raise Unreadable(f"{name}, but doesn't decompress: {' '.join(str(error).split())}") from error
    if len(data) != size:
        raise Unreadable(f"{name}, from {size:,} bytes as its sender says, but decompresses to {len(data):,}")
    return data


def _zlib(payload: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(payload, size + 1)


def _into(module: str, function: str) -> Callable[[bytes, int], bytes]:
    def decompress(payload: bytes, size: int) -> bytes:
        import cramjam  # noqa: PLC0415 -- most inputs have nothing compressed

        data = bytearray(size)
        written = getattr(getattr(cramjam, module), function)(payload, data)
        return bytes(memoryview(data)[:written])

    return decompress


_KINDS: dict[int, tuple[str, Callable[[bytes, int], bytes] | None]] = {
    ZLIB: ("compressed with ZLIB", _zlib),
    LZ4: ("compressed with LZ4", _into("lz4", "decompress_block_into")),
    ZSTD: ("compressed with ZSTD", _into("zstd", "decompress_into")),
    SNAPPY: ("compressed with SNAPPY", _into("snappy", "decompress_raw_into")),
}
