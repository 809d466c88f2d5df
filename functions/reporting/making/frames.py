"""The frames in which the process that makes a report speaks to its function: a kind, a length, and that many bytes."""

import struct
from enum import IntEnum
from typing import NamedTuple

_HEADER = struct.Struct(">BI")
MOST_BYTES = 1 << 20
"""Most bytes of a frame."""


class Kind(IntEnum):
    """What a frame carries."""

    ALIVE = 0
    """Nothing: the report goes on."""
    CONTENT_TYPE = 1
    """The report's MIME type; it comes before the content."""
    CONTENT = 2
    """The report's next bytes."""
    WHOLE = 3
    """Nothing: the report is whole."""
    REFUSED = 4
    """Why there is no such report, and what to do."""
    UNAVAILABLE = 5
    """Why the database can't be reached: the same report may be made later."""
    FAILED = 6
    """What went wrong."""


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    data: bytes = b""

    def encoded(self) -> bytes:
        """Return the frame as it is sent."""
        return _HEADER.pack(self.kind, len(self.data)) + self.data


class Unframed(ValueError):
    """The bytes are no frame: something else wrote them."""


class Frames:
    """Takes frames out of the bytes as they come in."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def add(self, data: bytes) -> list[Frame]:
        """Return the frames that these bytes complete.

        Raises
        ------
        Unframed
            They are none.
        """
        self._bytes += data
        found: list[Frame] = []
        start = 0
        while len(self._bytes) - start >= _HEADER.size:
            number, length = _HEADER.unpack_from(self._bytes, start)
            if number > max(Kind) or length > MOST_BYTES:
                raise Unframed(f"{bytes(self._bytes[start : start + 40])!r} is no frame")
            end = start + _HEADER.size + length
            if len(self._bytes) < end:
                break
            found.append(Frame(Kind(number), bytes(self._bytes[start + _HEADER.size : end])))
            start = end
        del self._bytes[:start]
        return found
