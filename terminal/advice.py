"""What the user of a command can do where Pulsar can't be spoken to: the connection says only what it found."""

from __future__ import annotations

from typing import NamedTuple

from connection.errors import (
    AdminUnreachableError,
    BrokerUnreachableError,
    NotFoundError,
    PulsarError,
    UnreachableError,
)
from terminal.errors import FAILED, WRONG_USAGE, CommandError


class Advice(NamedTuple):
    """What to add to an error; empty for nothing.

    Attributes
    ----------
    broker, admin : str
        Where no broker, or no admin API, answers at an address.
    missing : str
        Where a topic or a function is not there. With advice it is the caller's to mend, and wrong usage.
    """

    broker: str = ""
    admin: str = ""
    missing: str = ""


ALPES = Advice(
    broker="Start it with ./deploy.sh up, or name another address with --service-url or PULSAR_SERVICE_URL.",
    admin="Start it with ./deploy.sh up, or name another address with --admin-url or PULSAR_ADMIN_URL.",
    missing="Deploy Alpes with ./deploy.sh deploy.",
)
"""Of the command `alpes`, by its options."""
DEPLOYMENT = Advice(
    broker="Start the local stack with ./deploy.sh up, or correct PULSAR_SERVICE_URL.",
    admin="Start the local stack with ./deploy.sh up, or correct PULSAR_ADMIN_URL.",
)
"""Of `./deploy.sh` and the benchmark, by the environment."""


def explained(error: PulsarError, advice: Advice) -> CommandError:
    """Return the error that ends a command, with its exit code and what to do."""
    code, what = FAILED, ""
    if isinstance(error, UnreachableError):
        code = WRONG_USAGE
    if isinstance(error, BrokerUnreachableError):
        what = advice.broker
    elif isinstance(error, AdminUnreachableError):
        what = advice.admin
    elif isinstance(error, NotFoundError) and advice.missing:
        code, what = WRONG_USAGE, advice.missing
    return CommandError(f"{error} {what}".rstrip(), exit_code=code)
