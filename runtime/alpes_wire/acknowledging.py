"""Acknowledges entries on a subscription without consuming them, for operators who remove an entry that blocks it."""

import contextlib
from collections.abc import Iterable

from .consumer import CONSUMER, INDIVIDUAL
from .endpoint import Endpoint
from .errors import WireError
from .link import refused, subscribe
from .message import MessageId
from .protocol_pb2 import BaseCommand, CommandSubscribe


def acknowledge(endpoint: Endpoint, topic: str, subscription: str, entries: Iterable[MessageId]) -> None:
    """Acknowledge whole entries, whichever consumer holds them. Those that are acknowledged already are left alone.

    Parameters
    ----------
    endpoint
        Where Pulsar is.
    topic
        Full name of the partition.
    subscription
        Name of a Shared subscription. The broker creates a missing one, at the topic's end.
    entries
        Their ids.

    Raises
    ------
    WireError
        The broker can't be reached, refused, or did not confirm.
    """
    # A consumer without permits receives nothing, so it takes no message from the others.
    command = BaseCommand(type=BaseCommand.SUBSCRIBE)
    command.subscribe.topic = topic
    command.subscribe.subscription = subscription
    command.subscribe.subType = CommandSubscribe.Shared
    command.subscribe.consumer_id = CONSUMER
    command.subscribe.request_id = 1
    command.subscribe.initialPosition = CommandSubscribe.Latest
    with contextlib.closing(subscribe(endpoint, command)) as link:
        command = BaseCommand(type=BaseCommand.ACK)
        command.ack.consumer_id = CONSUMER
        command.ack.ack_type = INDIVIDUAL
        command.ack.request_id = 2
        for id_ in entries:
            command.ack.message_id.add(ledgerId=id_.ledger, entryId=id_.entry)
        link.send(command)
        while (answer := link.answer().command).type not in {BaseCommand.ACK_RESPONSE, BaseCommand.ERROR}:
            pass
    if answer.type == BaseCommand.ERROR:
        raise refused(topic, answer.error)
    if answer.ackResponse.HasField("error"):
        raise WireError(f"{topic}: the broker refused: {answer.ackResponse.message or answer.ackResponse.error}")
