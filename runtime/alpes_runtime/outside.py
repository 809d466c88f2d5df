"""The stage that gets answers from outside: between the commit that asks and the commit that uses the answer.

    CommitStage ─▶ questions ─▶ AskStage (several threads) ─▶ inbox ─▶ CommitStage ─▶ …

A message that waits for an answer is not acknowledged: if the instance dies meanwhile, it comes and is asked again.
"""

import logging
import queue
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from .inbox import Inbox
from .message import Received
from .outcome import AnyHandler, Handler, Outside, Retry

ANSWERED = "answered "
"""Prefix of the role under which a message with its answer goes through the inbox and the committer."""


class AskStage:
    """Asks one question a step. Several threads may step it at once.

    Parameters
    ----------
    role
        Whose messages ask.
    outside
        Who is asked.
    logger
        Told of questions that could not be asked.
    """

    def __init__(self, role: str, outside: Outside[Any], logger: logging.Logger) -> None:
        self._role = ANSWERED + role
        self._outside = outside
        self._log = logger
        self._waiting: queue.SimpleQueue[tuple[Received, Any]] = queue.SimpleQueue()
        self._inbox: Inbox | None = None

    @property
    def at_once(self) -> int:
        """How many threads may step it to some purpose."""
        return self._outside.at_once

    def answer_to(self, inbox: Inbox) -> None:
        """Say where messages go with their answers."""
        self._inbox = inbox

    def full(self) -> bool:
        """Whether as many questions wait as can be asked at once: then no more messages that ask are taken."""
        return self._waiting.qsize() >= self._outside.at_once

    def put(self, asked: Sequence[tuple[Received, Any]]) -> None:
        """Add messages with their questions."""
        for message in asked:
            self._waiting.put(message)

    def step(self, wait_s: float) -> bool:
        """Ask a question and hand its answer over; False when there was none for ``wait_s``."""
        try:
            received, question = self._waiting.get(timeout=wait_s)
        except queue.Empty:
            return False
        assert self._inbox is not None  # noqa: S101 -- wired before any message
        self._inbox.look_again()
        try:
            answer = self._outside.ask(question)
        except Exception:  # noqa: BLE001 -- a bug of what is asked harms its message only
            self._log.exception(
                "A question could not be asked, it is asked again later: %s", received.source_message_id
            )
            answer = Retry("bug", traceback.format_exc(), until_known=True)
        self._inbox.squeeze_in(received.answered(self._role, answer))
        return True


def with_answers(handlers: Mapping[str, AnyHandler]) -> dict[str, AnyHandler]:
    """Return the handlers, and before each one that asks the one of its answers: what is begun is finished first."""
    every: dict[str, AnyHandler] = {}
    for role, handler in handlers.items():
        if handler.outside is not None:
            every[ANSWERED + role] = _of_answers(handler, handler.outside)
        every[role] = handler
    return every


def asking(role: str) -> str:
    """Return the role whose messages asked, for that of their answers; any other role itself."""
    return role.removeprefix(ANSWERED)


def _of_answers(handler: AnyHandler, outside: Outside[Any]) -> AnyHandler:
    def decode(received: Received) -> tuple[Any, Any]:
        return handler.decode(received), received.answer

    return Handler(decode, outside.apply)
