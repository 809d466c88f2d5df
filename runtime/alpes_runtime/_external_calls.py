"""The stage that makes external calls: between the commit that asks and the commit that uses the answer.

    CommitStage ─▶ questions ─▶ AskStage (several threads) ─▶ inbox ─▶ CommitStage ─▶ …

A message that waits for an answer is not acknowledged: if the instance dies meanwhile, the message is redelivered and
its question is asked again.
"""

import logging
import queue
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from ._inbox import Inbox
from ._message import Received
from ._outcome import AnyHandler, ExternalCall, Handler, Retry

ANSWERED = "answered "
"""Prefix of the role that a message with its answer has in the inbox and the committer."""


class Questions:
    """Messages whose questions wait to be asked.

    Parameters
    ----------
    at_once
        Most questions that can be asked at the same time.
    """

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._waiting: queue.SimpleQueue[tuple[Received, Any]] = queue.SimpleQueue()

    def full(self) -> bool:
        """Whether as many questions wait as can be asked at once; then the inbox hands out no more that ask."""
        return self._waiting.qsize() >= self._at_once

    def waiting(self) -> bool:
        """Whether a question waits."""
        return not self._waiting.empty()

    def submit(self, asked: Sequence[tuple[Received, Any]]) -> None:
        """Add messages with their questions."""
        for message in asked:
            self._waiting.put(message)

    def next(self, timeout_s: float) -> tuple[Received, Any] | None:
        """Return a message and its question, None if none came within ``timeout_s``."""
        try:
            return self._waiting.get(timeout=timeout_s)
        except queue.Empty:
            return None


class AskStage:
    """Asks one question at a time. Several threads may poll it at once.

    Parameters
    ----------
    role
        The role of the messages that ask.
    call
        Asks the question.
    questions, inbox
        Where messages come from with their questions, and where they go with their answers.
    logger
        Logs questions that could not be asked.
    """

    def __init__(
        self, role: str, call: ExternalCall[Any], questions: Questions, inbox: Inbox, logger: logging.Logger
    ) -> None:
        self.role = role
        self._call = call
        self._questions = questions
        self._inbox = inbox
        self._log = logger

    @property
    def at_once(self) -> int:
        """The number of threads that can poll it usefully."""
        return self._call.at_once

    def poll(self, timeout_s: float) -> bool:
        """Ask a question and hand its answer over; False if no question came within ``timeout_s``."""
        question = self._questions.next(timeout_s)
        if question is None:
            return False
        received, request = question
        self._inbox.look_again()
        try:
            answer = self._call.ask(request)
        except Exception:  # noqa: BLE001 -- a bug of the call fails only the message
            self._log.exception(
                "A question could not be asked, it is asked again later: %s", received.source_message_id
            )
            answer = Retry("bug", traceback.format_exc(), until_known=True)
        self._inbox.force_put(received.answered(ANSWERED + self.role, answer))
        return True

    def ready(self) -> bool:
        """Whether a poll would find a question now."""
        return self._questions.waiting()


def with_answers(handlers: Mapping[str, AnyHandler]) -> dict[str, AnyHandler]:
    """Return the handlers, with one for the answers before each one that asks: messages under way come first."""
    every: dict[str, AnyHandler] = {}
    for role, handler in handlers.items():
        if handler.external_call is not None:
            every[ANSWERED + role] = _of_answers(handler, handler.external_call)
        every[role] = handler
    return every


def asking(role: str) -> str:
    """Return the role whose messages asked, given the role of their answers; any other role is returned as it is."""
    return role.removeprefix(ANSWERED)


def _of_answers(handler: AnyHandler, call: ExternalCall[Any]) -> AnyHandler:
    def decode(received: Received) -> tuple[Any, Any]:
        return handler.decode(received), received.answer

    return Handler(decode, call.apply)
