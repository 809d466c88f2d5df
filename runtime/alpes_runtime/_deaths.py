"""Remembers what an instance worked on when it died, so that an entry that kills it again and again is given up."""

import contextlib
import hashlib
import json
import mmap
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from struct import Struct
from typing import NamedTuple

from alpes_wire import MessageId

WITHIN_S = 600.0
"""Deaths longer ago than this don't count."""
LOTS = {0: 0, 1: 0, 2: 64, 3: 8}
"""By the number of deaths: how many of the entries that were in hand are worked on at once. 0 is any number; after more
deaths than listed it is one."""
MOST_REMEMBERED = 10
MOST_TOPICS = 64
"""Most partitions whose positions are kept."""
PLACE = Struct("=8sQQ")
"""A topic's digest, ledger and entry."""


def file_of(service_url: str, function: str, instance: str) -> Path:
    """Return where an instance keeps its `Deaths`: the same place after a restart on the same machine."""
    name = hashlib.sha256(f"{service_url} {function} {instance}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"alpes-{os.getuid()}-{name}.json"


class Deaths:
    """An `alpes_wire.Guard` in a file.

    The file exists from the start until a clean end. If the next start finds it, the instance before died.

    Parameters
    ----------
    path
        The file. With None, or a file that can't be written, nothing is remembered.
    now
        Unix seconds.
    """

    def __init__(self, path: Path | None, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._open = ""
        self._at: list[float] = []
        self._by_place: Counter[str] = Counter()
        found = _read(path) if path is not None else None
        if found is not None:
            recent = [at for at in found.at if 0 <= now() - at < WITHIN_S]
            self._at = [*recent, now()][-MOST_REMEMBERED:]
            if recent:
                self._by_place.update(found.by_place)
            if found.at_work:
                self._by_place[found.at_work] += 1
        self._write()
        self._places = _Places(path.with_suffix(".places") if path is not None else None)

    @property
    def recent(self) -> int:
        """How often the instance died within `WITHIN_S` before this start, on this machine."""
        return len(self._at)

    @property
    def lot(self) -> int:
        """How many of the entries that were in hand are worked on at once, per input; 0 for any number."""
        return LOTS.get(self.recent, 1)

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Return ledger and entry of a topic's highest position that was handed out before the last death."""
        return self._places.before.get(_digest(topic), (-1, -1))

    def hand_out(self, topic: str, id_: MessageId) -> None:
        """Note that an entry is handed out."""
        self._places.note(topic, id_)

    def begin(self, place: str) -> bool:
        """Note that work on a place begins; False while work on another place is under way."""
        with self._lock:
            if self._open not in {"", place}:
                return False
            self._open = place
            self._write()
            return True

    def end(self, place: str) -> None:
        """Note that work on a place has ended."""
        with self._lock:
            if self._open == place:
                self._open = ""
                self._write()

    def deaths(self, place: str) -> int:
        """Return how often the instance died while it worked on a place."""
        return self._by_place[place]

    def close(self) -> None:
        """Note a clean end."""
        with self._lock:
            if self._path is not None:
                self._path.unlink(missing_ok=True)
            self._path = None
            self._places.close()

    def _write(self) -> None:
        if self._path is None:
            return
        text = json.dumps(_Record(self._at, self._open, dict(self._by_place))._asdict())
        temporary = self._path.with_suffix(".new")
        # Every user may write to this folder: a symbolic link of somebody else's must not redirect the write.
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with contextlib.suppress(OSError):
            with os.fdopen(os.open(temporary, flags, 0o600), "w") as file:
                file.write(text)
            temporary.replace(self._path)


class _Record(NamedTuple):
    at: list[float]
    at_work: str
    by_place: dict[str, int]


def _read(path: Path) -> _Record | None:
    """Return the record that a dead instance left, None if none died."""
    try:
        if path.lstat().st_uid != os.getuid():
            return None
        values = json.loads(path.read_text())
        at = [float(each) for each in values["at"]]
        return _Record(at, str(values["at_work"]), {str(k): int(v) for k, v in values["by_place"].items()})
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        # The instance died while it wrote, or somebody else wrote the file.
        return _Record([], "", {})


class _Places:
    """The highest position handed out of each topic, in a memory-mapped file: to note one needs no system call.

    Parameters
    ----------
    path
        The file. With None, or a file that can't be written, nothing is kept.

    Attributes
    ----------
    before
        Ledger and entry by the digest of the topic, as the last process left them.
    """

    def __init__(self, path: Path | None) -> None:
        self.before: dict[bytes, tuple[int, int]] = {}
        self._path = path
        self._map: mmap.mmap | None = None
        self._highest: dict[str, tuple[int, int]] = {}
        self._slots: dict[str, tuple[int, bytes]] = {}
        self._numbers = count()
        if path is None:
            return
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                # On a full disk, a write to the mapping of a sparse file kills the process.
                os.posix_fallocate(descriptor, 0, MOST_TOPICS * PLACE.size)
                self._map = mmap.mmap(descriptor, MOST_TOPICS * PLACE.size)
            finally:
                os.close(descriptor)
            self.before = {
                digest: (ledger, entry) for digest, ledger, entry in PLACE.iter_unpack(self._map) if any(digest)
            }
            self._map[:] = bytes(len(self._map))

    def note(self, topic: str, id_: MessageId) -> None:
        """Keep a position if it is the highest of its topic; only one thread may call this for a topic."""
        place = id_[:2]
        if self._map is None or place <= self._highest.get(topic, (-1, -1)):
            return
        self._highest[topic] = place
        slot = self._slots.get(topic)
        if slot is None:
            slot = self._slots[topic] = next(self._numbers) * PLACE.size, _digest(topic)
        offset, digest = slot
        if offset < len(self._map):
            PLACE.pack_into(self._map, offset, digest, *place)

    def close(self) -> None:
        """Forget everything."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _digest(topic: str) -> bytes:
    return hashlib.sha256(topic.encode()).digest()[:8]
