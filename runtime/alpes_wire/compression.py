"""Decompresses payloads, up to a maximum size."""

import zlib
from collections.abc import Callable

from .errors import Unreadable
from .protocol_pb2 import LZ4, NONE, SNAPPY, ZLIB, ZSTD

MAX_BYTES = 8_000_000
"""Largest payload after decompression. A broker accepts 5 MiB by default, compressed or not."""


def decompressed(payload: bytes, kind: int, size: int) -> bytes:
    """Return the decompressed payload.

    Parameters
    ----------
    payload
        As it is stored.
    kind
        Pulsar's number of the compression.
    size
        Bytes of the decompressed payload, according to its sender.

    Raises
    ------
    Unreadable
        The payload isn't compressed that way, or decompresses to another size.
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
    except BaseException as error:  # a panic in cramjam's native code isn't an `Exception`
        raise Unreadable(f"{name}, but doesn't decompress: {' '.join(str(error).split())}") from error
    if len(data) != size:
        raise Unreadable(f"{name}, from {size:,} bytes as its sender says, but decompresses to {len(data):,}")
    return data


def _zlib(payload: bytes, size: int) -> bytes:
    return zlib.decompressobj().decompress(payload, size + 1)


def _into(module: str, function: str) -> Callable[[bytes, int], bytes]:
    def decompress(payload: bytes, size: int) -> bytes:
        import cramjam  # noqa: PLC0415 -- most inputs have no compressed messages

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
