"""Runs a plan: sends its messages, follows them to their end, and keeps the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial

from client.follower import Follower
from client.journal import CONFIRMED, ENDED, Journal
from client.ledger import Ledger, Ran
from client.mix import Planned
from client.pacing import Pace
from client.rendering import RunProgress
from client.sender import Sender, open_producer
from connection.client import connected
from schemas.tienda.topics import CREAR_ORDEN, full_name
from terminal.console import make_console
from terminal.interrupt import interruptible


def run(
    service_url: str,
    messages: Iterator[Planned],
    total: int,
    pace: Pace | None,
    *,
    follow_s: float | None,
    journal: Journal | None = None,
) -> Ran:
    """Send messages, and follow them.

    Parameters
    ----------
    service_url
        Pulsar's address.
    messages
        What to send.
    total
        How many there are.
    pace
        When each is due; None for as fast as possible.
    follow_s
        Stop following when nothing has ended for so many seconds; None not to follow at all.
    journal
        Where to note what is done.
    """
    follow = follow_s is not None
    ledger = Ledger(partial(journal.note, ENDED)) if journal and follow else Ledger()
    with interruptible() as stop, connected(service_url) as client, ExitStack() as following:
        producer = partial(open_producer, client, full_name(CREAR_ORDEN))
        if journal and not follow:
            sender = Sender(producer, ledger, on_confirmed=partial(journal.note, CONFIRMED))
        else:
            sender = Sender(producer, ledger)
        follower = following.enter_context(Follower(client, ledger)) if follow else None
        with RunProgress(make_console(stderr=True), total, follow=follow) as progress:

            def tick() -> None:
                progress.show(sender.confirmed, ledger.finished)
                if journal is not None:
                    journal.write_if_due()

            sender.send(messages, stop, tick, pace)
            complete = follower is None or follower.wait(follow_s or 0.0, stop, tick)
            tick()
        return Ran(ledger.close(), sender.confirmed, complete, stop.is_set())
