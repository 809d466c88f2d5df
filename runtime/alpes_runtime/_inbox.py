"""Holds received messages until they are committed: one bounded lane per role, most urgent first."""

import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from ._message import Received

MAX_GROUP_BYTES = 8_000_000
"""Most payload bytes that share a transaction; a larger message is a group of its own."""
LANE_BYTES = 8_000_000
"""Payload bytes that a lane holds before `put` waits: as many as the next group can have."""


class Inbox:
    """Lanes in order of urgency, between the intakes (which put) and the committer (which takes).

    A group is what has come in since the last one, up to the bound. It is small when little comes in, so no message
    waits for others, and large under load, so many messages share the cost of a commit.

    Parameters
    ----------
    roles
        The lanes, most urgent first.
    capacity
        Messages that a lane holds before `put` waits.
    most_of
        Most messages of a role that are taken together, if it is fewer than `take` asks for.
    holds
        By role, whether to pass it over for now, since the next stage has no room. Whoever makes room calls
        `look_again`.
    """

    def __init__(
        self,
        roles: Sequence[str],
        capacity: int,
        most_of: Mapping[str, int] | None = None,
        holds: Mapping[str, Callable[[], bool]] | None = None,
    ) -> None:
        self._lanes: dict[str, deque[Received]] = {role: deque() for role in roles}
        self._bytes = dict.fromkeys(roles, 0)
        self._capacity = capacity
        self._most_of = dict(most_of or {})
        self._holds = dict(holds or {})
        self._shut: set[str] = set()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, messages: Sequence[Received], timeout_s: float) -> bool:
        """Add messages, each to its lane; False if there was no room within ``timeout_s`` or the inbox was closed.

        All are added as soon as the lane of the first one is below its capacity, by number and by bytes. A lane
        therefore never holds more than its capacity and one group. Only a retry topic mixes several roles.
        """
        first = messages[0]
        with self._changed:

            def room() -> bool:
                # A retry topic carries messages of several roles, timers too: a role that was shut must not block them.
                return self._closed or self.has_room(first.role) or (first.retried and first.role in self._shut)

            if not self._changed.wait_for(room, timeout_s):
                return False
            if self._closed:
                return False
            for message in messages:
                # Nobody would take it: it stays unacknowledged, and the broker redelivers it to the next connection.
                if not (message.retried and message.role in self._shut):
                    self._add(message)
            self._changed.notify_all()
            return True

    def force_put(self, message: Received) -> None:
        """Add one message whether there is room or not."""
        with self._changed:
            self._add(message)
            self._changed.notify_all()

    def take(self, most: int, timeout_s: float) -> list[Received]:
        """Take a group of the most urgent role that has messages; empty if none came within ``timeout_s``."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self.ready(), timeout_s)
            role = self._next()
            if role is None or self._closed:
                return []
            lane = self._lanes[role]
            most = min(most, self._most_of.get(role, most))
            group: list[Received] = []
            taken = 0
            while lane and len(group) < most:
                size = lane[0].size
                if group and taken + size > MAX_GROUP_BYTES:
                    break
                taken += size
                group.append(lane.popleft())
            self._bytes[role] -= taken
            self._changed.notify_all()
            return group

    def has_room(self, role: str) -> bool:
        """Whether a lane is below its capacity, by number and by bytes."""
        return len(self._lanes[role]) < self._capacity and self._bytes[role] < LANE_BYTES

    def ready(self) -> bool:
        """Whether there is a message that may be taken."""
        return self._next() is not None

    def look_again(self) -> None:
        """Wake up whoever waits in `take`: a role that was passed over may have room now."""
        with self._changed:
            self._changed.notify_all()

    def passes_over(self, role: str) -> bool:
        """Whether this role is passed over for now, because the next stage has no room."""
        return role in self._holds and self._holds[role]()

    def is_shut(self, role: str) -> bool:
        """Whether the inbox stopped handing out messages of this role."""
        return role in self._shut

    def shut(self, role: str) -> None:
        """Stop handing out messages of this role. Its lane fills up, and then the intake receives no more of them."""
        self._shut.add(role)

    def close(self) -> None:
        """Wake up everybody who waits; the messages inside stay unacknowledged and are redelivered."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def _add(self, message: Received) -> None:
        self._lanes[message.role].append(message)
        self._bytes[message.role] += message.size

    def _next(self) -> str | None:
        for role, lane in self._lanes.items():
            if lane and role not in self._shut and not self.passes_over(role):
                return role
        return None
