"""Sends one dead letter again, as `alpes dlq replay ID` does."""

from __future__ import annotations

import threading
from typing import NamedTuple

from connection.admin import Admin
from connection.client import connected
from operations.dlq.actions import replay
from operations.dlq.letters import DeadLetters, LetterId
from operations.dlq.log import Log


class Replayed(NamedTuple):
    """What became of a letter.

    Attributes
    ----------
    sent : bool
        Whether its message was sent to its topic again.
    logged : bool
        Whether the operators' log says so. If it doesn't, the letter still shows as waiting.
    reason : str
        Why it was not sent; empty if it was.
    """

    sent: bool
    logged: bool
    reason: str


def replay_letter(service_url: str, admin_url: str, letter_id: LetterId) -> Replayed:
    """Send a letter to the topic that it came from, and log it.

    Raises
    ------
    PulsarError
        If Pulsar doesn't answer.
    UnknownLetterError
        If there is no such letter.
    NotDeployedError
        If there is no log.
    """
    admin = Admin(admin_url)
    with connected(service_url) as client:
        letter = DeadLetters(client, admin).find(letter_id)
        outcome = replay(client, Log(client, admin), [letter], threading.Event(), lambda _done: None)
    return Replayed(outcome.done + outcome.unnoted > 0, outcome.done > 0, next(iter(outcome.failures), ""))
