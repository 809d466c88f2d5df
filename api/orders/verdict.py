"""What to tell a caller about an order, from what is known of it. Pure."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from api.orders.model import content, content_of_command, shown
from api.orders.outcomes import DeadLetter, Outcome
from api.problems import Problem
from schemas.tienda.topics import CREAR_ORDEN

CONFLICT = "conflict"
"""Kind of the dead letter of a command whose order was accepted with other content."""


def of_command(outcome: Outcome, sent: int) -> dict[str, Any] | Problem | None:
    """Return what became of a command: the order, a problem, or None if that isn't known yet.

    Parameters
    ----------
    outcome
        What is known of the order, whoever sent it.
    sent
        The command's content: the order may have been accepted with another one.
    """
    if outcome.event is not None:
        return shown(outcome.event) if content(outcome.event) == sent else other_content(outcome.event.id)
    for letter in reversed(outcome.letters):
        if not letter.topic.startswith(CREAR_ORDEN):
            return _given_up(letter)
        if _holds(letter, sent):
            return _refused(letter)
    return None


def of_order(outcome: Outcome) -> dict[str, Any] | Problem | None:
    """Return what became of an order: the order, a problem, or None if neither is known."""
    letters = [each.as_json() for each in outcome.letters]
    if outcome.event is not None:
        return shown(outcome.event) | ({"dead_letters": letters} if letters else {})
    for letter in reversed(outcome.letters):
        if not letter.topic.startswith(CREAR_ORDEN):
            return _given_up(letter)
        # After a conflict the order is there, as the first command made it.
        if letter.kind != CONFLICT:
            return _refused(letter)
    return None


def was_refused(outcome: Outcome, sent: int) -> bool:
    """Return whether Ordenes refused a command, so that the order is another one's or none."""
    return isinstance(of_command(outcome, sent), Problem)


def other_content(order_id: str) -> Problem:
    """Return the problem of a key or an id that was used before."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "other-content",
        f"Order {order_id} was sent before with other content, and stays as it is: send this one with another "
        "Idempotency-Key or id.",
        id=order_id,
    )


def _holds(letter: DeadLetter, sent: int) -> bool:
    if not letter.payload:
        return True
    found = content_of_command(letter.payload, published_ms=1)
    return found is None or found[1] == sent


def _refused(letter: DeadLetter) -> Problem:
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "other-content" if letter.kind == CONFLICT else "refused",
        f"Ordenes refused the order: {letter.reason}",
        dead_letter=letter.as_json(),
    )


def _given_up(letter: DeadLetter) -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        "given-up",
        f"The order was accepted, and a function gave it up on its way: {letter.reason} An operator sees it with alpes "
        "dlq list, and can replay it.",
        dead_letter=letter.as_json(),
    )
