"""Acknowledges entries on a subscription from outside: for whoever takes out of the way what its consumers can't."""

import contextlib
from collections.abc import Iterable

from .consumer import CONSUMER, INDIVIDUAL
from .endpoint import Endpoint
from .errors import WireError
from .link import said, subscribed
from .message import MessageId
from .protocol_pb2 import BaseCommand, CommandSubscribe


def acknowledge(endpoint: Endpoint, topic: str, subscription: str, entries: Iterable[MessageId]) -> None:
    """Acknowledge whole entries, whoever has them now; of those that are acknowledged already nothing comes.

    Parameters
    ----------
    endpoint
        Where Pulsar is.
    topic
        Full name of the partition.
    subscription
        Its name; a shared one. It is made where it is missing, at the topic's end.
    entries
        Where they lie.

    Raises
    ------
    WireError
        The broker did not say that it has done so.
    """
    # A consumer that gives no permits is sent nothing, and so takes nothing away from the others.
    command = BaseCommand(type=BaseCommand.SUBSCRIBE)
    command.subscribe.topic = topic
    command.subscribe.subscription = subscription
    command.subscribe.subType = CommandSubscribe.Shared
    command.subscribe.consumer_id = CONSUMER
    command.subscribe.request_id = 1
    command.subscribe.initialPosition = CommandSubscribe.Latest
    with contextlib.closing(subscribed(endpoint, command)) as link:
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
        raise WireError(f"{topic}: the broker refused: {said(answer.error)}")
    if answer.ackResponse.HasField("error"):
        raise WireError(f"{topic}: the broker refused: {answer.ackResponse.message or answer.ackResponse.error}")
