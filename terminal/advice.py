"""What the user of a command can do about the connection's errors, which themselves say only what was found."""

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
    """What to add to an error; an empty text adds nothing.

    Attributes
    ----------
    broker, admin : str
        If no broker, or no admin API, answers at an address.
    missing : str
        If a topic or a function doesn't exist. With this advice, the error counts as wrong usage.
    """

    broker: str = ""
    admin: str = ""
    missing: str = ""


ALPES = Advice(
    broker="Start it with ./deploy.sh up, or name another address with --service-url or PULSAR_SERVICE_URL.",
    admin="Start it with ./deploy.sh up, or name another address with --admin-url or PULSAR_ADMIN_URL.",
    missing="Deploy Alpes with ./deploy.sh deploy.",
)
"""For the command `alpes`, whose options can name an address."""
DEPLOYMENT = Advice(
    broker="Start the local stack with ./deploy.sh up, or correct PULSAR_SERVICE_URL.",
    admin="Start the local stack with ./deploy.sh up, or correct PULSAR_ADMIN_URL.",
)
"""For `./deploy.sh` and the benchmark, which take addresses from the environment."""


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
