"""Remembers over an instance's death what it was working on, so that what ends it again and again is given up."""

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
"""Deaths longer ago than that don't count."""
LOTS = {0: 0, 1: 0, 2: 64, 3: 8}
"""How many entries that were in hand are worked on at once after so many deaths; after more it is one."""
MOST_REMEMBERED = 10
MOST_TOPICS = 64
"""Partitions of which places are kept."""
PLACE = Struct("=8sQQ")
"""A topic's digest, ledger and entry."""


def file_of(service_url: str, function: str, instance: str) -> Path:
    """Return where an instance keeps its `Deaths`: the same place after a restart on the same machine."""
    name = hashlib.sha256(f"{service_url} {function} {instance}".encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"alpes-{os.getuid()}-{name}.json"


class Deaths:
    """A `alpes_wire.Guard` in a file.

    The file is there from the start to an end in good order. What is found there at the next start tells of a death.

    Parameters
    ----------
    path
        The file; None, or one that can't be written, remembers nothing.
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
    def lot(self) -> int:
        """How many entries of an input that were in hand are worked on at once, 0 for any number."""
        return LOTS.get(len(self._at), 1)

    def in_hand(self, topic: str) -> tuple[int, int]:
        """Return ledger and entry of the highest place that was handed out of a topic before the last death."""
        return self._places.before.get(_digest(topic), (-1, -1))

    def hand_out(self, topic: str, id_: MessageId) -> None:
        """Note that an entry is handed out."""
        self._places.note(topic, id_)

    def begin(self, place: str) -> bool:
        """Note what is being worked on; False while something else is."""
        with self._lock:
            if self._open not in {"", place}:
                return False
            self._open = place
            self._write()
            return True

    def end(self, place: str) -> None:
        """Note that it no longer is."""
        with self._lock:
            if self._open == place:
                self._open = ""
                self._write()

    def deaths(self, place: str) -> int:
        """How often the instance died while something was being worked on."""
        return self._by_place[place]

    def close(self) -> None:
        """Note an end in good order."""
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
        # Nobody else can have us write elsewhere, though all may write to this folder.
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
    """Return what an instance left that died, None where none did."""
    try:
        if path.lstat().st_uid != os.getuid():
            return None
        values = json.loads(path.read_text())
        at = [float(each) for each in values["at"]]
        return _Record(at, str(values["at_work"]), {str(k): int(v) for k, v in values["by_place"].items()})
    except OSError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        # It died while it wrote, or somebody else did.
        return _Record([], "", {})


class _Places:
    """The highest place handed out of each topic, in a file that is mapped: to note one costs no call of the system.

    Parameters
    ----------
    path
        The file; None, or one that can't be written, keeps nothing.

    Attributes
    ----------
    before
        Ledger and entry by a topic's digest, as the last process left them.
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
                # On a full disk a file with holes ends whoever writes to its mapping.
                os.posix_fallocate(descriptor, 0, MOST_TOPICS * PLACE.size)
                self._map = mmap.mmap(descriptor, MOST_TOPICS * PLACE.size)
            finally:
                os.close(descriptor)
            self.before = {
                digest: (ledger, entry) for digest, ledger, entry in PLACE.iter_unpack(self._map) if any(digest)
            }
            self._map[:] = bytes(len(self._map))

    def note(self, topic: str, id_: MessageId) -> None:
        """Keep a place if it is the highest of its topic; called by one thread for each topic."""
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
