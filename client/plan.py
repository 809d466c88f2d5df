"""What a run sends: made-up orders or those of a file. As JSON it is what a journal needs to continue the run."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import faker

from client import order_files
from client.errors import JournalError
from client.mix import Planned, mixed, plain
from client.orders import order_stream
from schemas.tienda.upcasters import NEWEST


@dataclass(frozen=True)
class Plan:
    """What a run sends. The same plan gives the same ids and contents.

    Attributes
    ----------
    orders : int
        How many messages.
    seed : int
        Decides made-up orders.
    schema_version : int
        The version of made-up messages.
    faker : str
        The release of Faker: another one may make other addresses.
    file, sha256 : str
        The file of the orders and the SHA-256 of its bytes; empty for made-up ones.
    skipped : int
        Lines of the file that can't be sent, and aren't.
    """

    orders: int
    seed: int = 0
    schema_version: int = NEWEST
    faker: str = faker.VERSION
    file: str = ""
    sha256: str = ""
    skipped: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the plan as a JSON object."""
        return asdict(self)

    def messages(self, file: BinaryIO | None, weights: dict[str, int] | None = None) -> Iterator[Planned]:
        """Yield the messages in the order in which to send them.

        Parameters
        ----------
        file
            The file of the orders, opened; None for made-up ones.
        weights
            For a drill, see `client.mix.mixed`.
        """
        if file is not None:
            return plain(order_files.orders(file))
        made_up = order_stream(self.seed, self.orders, self.schema_version)
        return mixed(made_up, weights, self.seed) if weights else plain(made_up)


def from_json(noted: dict[str, Any], path: object) -> Plan:
    """Return the plan that a journal notes.

    Raises
    ------
    JournalError
        If this release can't send the same orders again.
    """
    try:
        plan = Plan(**noted)
        if any(type(value) is not type(Plan(0).as_json()[name]) for name, value in noted.items()):
            raise TypeError
    except TypeError as error:
        raise JournalError(f"{path} was written by another release of alpes, which has to continue it.") from error
    if not plan.file and plan.faker != faker.VERSION:
        raise JournalError(
            f"{path} is of a run whose orders Faker {plan.faker} made. Here is Faker {faker.VERSION}, whose addresses"
            " may differ, and the same id with another address is refused. Continue it where it began."
        )
    return plan


def remaining(messages: Iterator[Planned], done: Collection[int]) -> Iterator[Planned]:
    """Yield the messages whose numbers aren't done."""
    return (message for message in messages if message.number not in done)
