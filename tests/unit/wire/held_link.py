"""A connection in the test's hands, and a consumer on it."""

from itertools import count
from typing import Any

from alpes_wire import Consumer, Endpoint, Guard
from alpes_wire.errors import WireError
from alpes_wire.link import Frame
from alpes_wire.message import Message
from alpes_wire.protocol_pb2 import BaseCommand, MessageMetadata
from tests.unit.wire.entries import body

NUMBERS = count()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class HeldLink:
    """Keeps what is sent, and gives out what the test puts in."""

    def __init__(self, *frames: Frame) -> None:
        self.frames = list(frames)
        self.sent: list[BaseCommand] = []
        self.broken = False
        self.heard_at = self.sent_at = 0.0

    def send(self, command: BaseCommand) -> None:
        self.sent.append(command)

    def ping(self) -> None:
        return

    def kept_alive(self, command: BaseCommand) -> bool:
        return False

    def next(self) -> Frame | None:
        if self.broken:
            raise WireError("the broker closed the connection")
        return self.frames.pop(0) if self.frames else None

    def wait(self, seconds: float) -> bool:
        return bool(self.frames)

    def answer(self, seconds: float) -> Frame:
        return self.frames.pop(0) if self.frames else Frame(BaseCommand(type=BaseCommand.SUCCESS), b"")

    def close(self) -> None:
        return

    def permits(self) -> int:
        return sum(command.flow.messagePermits for command in self.sent if command.type == BaseCommand.FLOW)

    def acknowledged(self) -> list[int]:
        return [
            id_.entryId for command in self.sent if command.type == BaseCommand.ACK for id_ in command.ack.message_id
        ]


def frame(meta: MessageMetadata, payload: bytes) -> Frame:
    command = BaseCommand(type=BaseCommand.MESSAGE)
    command.message.message_id.ledgerId = 1
    command.message.message_id.entryId = next(NUMBERS)
    return Frame(command, body(meta, payload))


def consumer_on(link: Any, clock: Clock | None = None, guard: Guard | None = None) -> Consumer:
    endpoint = Endpoint("pulsar://nowhere")
    consumer = Consumer(endpoint, "persistent://a/b/c-partition-0", "s", guard=guard, monotonic=clock or Clock())
    consumer._link = link
    return consumer


def received(consumer: Consumer) -> list[Message]:
    return list(iter(consumer.receive, None))
