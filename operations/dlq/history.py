"""The earlier failures of a replayed message, which it carries in its properties. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from alpes_wire.names import (
    ATTEMPT,
    ERROR_FUNCTION,
    ERROR_MESSAGE,
    ERROR_TYPE,
    OMITTED,
    REPLAY_PREFIX,
    SOURCE_MESSAGE_ID,
    SOURCE_TOPIC,
)

KEPT = 10
"""How many failures a message carries, the newest. The letters of the others still lie in the dead-letter topic."""
MAX_MESSAGE_CHARS = 500
"""How much of an ``error.message`` is carried: its end, which says the most."""

SET_ASIDE = "set-aside"
"""The ``error.type`` of an entry that an operator set aside."""
ERROR_TYPES = frozenset({"invalid", "unreadable", "conflict", "early", "gateway", "bug", SET_ASIDE})
"""Every ``error.type`` of our functions and operators; another function may have others."""

_OF_THE_FAILURE = (ERROR_TYPE, ERROR_MESSAGE, ERROR_FUNCTION, ATTEMPT)
_NOT_THE_MESSAGES = {*_OF_THE_FAILURE, SOURCE_TOPIC, SOURCE_MESSAGE_ID, OMITTED}
_ENTRY = re.compile(rf"{re.escape(REPLAY_PREFIX)}([1-9][0-9]{{0,5}})\.([a-z._]+)")


class Replay(NamedTuple):
    """An earlier failure of a message, and its replay.

    Attributes
    ----------
    number : int
        1 for the first.
    values : Mapping of str to str
        ``letter``, ``at``, ``by``, ``error.type``, ``error.message``, ``error.function``, ``attempt``.
    """

    number: int
    values: Mapping[str, str]


def history(properties: Mapping[str, str]) -> list[Replay]:
    """Return a message's earlier failures from its properties, the oldest first."""
    found: dict[int, dict[str, str]] = {}
    for name, value in properties.items():
        if entry := _ENTRY.fullmatch(name):
            found.setdefault(int(entry[1]), {})[entry[2]] = value
    return [Replay(number, found[number]) for number in sorted(found)]


def own(properties: Mapping[str, str]) -> dict[str, str]:
    """Return the message's own properties, without those that functions and operators added."""
    return {k: v for k, v in properties.items() if k not in _NOT_THE_MESSAGES and not _ENTRY.fullmatch(k)}


def replayed(properties: Mapping[str, str], letter_id: str, at: str, by: str) -> dict[str, str]:
    """Return the properties with which a letter is sent again: its own, and the history with this failure added.

    Parameters
    ----------
    properties
        The letter's properties.
    letter_id
        The letter's id.
    at, by
        When it is replayed (ISO 8601), and by whom.
    """
    before = history(properties)
    number = before[-1].number + 1 if before else 1
    failure = {"letter": letter_id, "at": at, "by": by}
    for name in _OF_THE_FAILURE:
        if name in properties:
            failure[name] = properties[name][-MAX_MESSAGE_CHARS:]
    kept = [*before, Replay(number, failure)][-KEPT:]
    entries = {f"{REPLAY_PREFIX}{n}.{name}": value for n, values in kept for name, value in values.items()}
    return own(properties) | entries
