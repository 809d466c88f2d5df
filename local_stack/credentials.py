"""The passwords of this stack's PostgreSQL roles: made once, kept in a file that only its owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.errors import NotSetUpError, OtherPortsError
from local_stack.settings import Settings

# One database and one role each, of the same name.
SERVICES = ("ordenes", "pagos", "reporting")
SUPERUSER = "postgres"


@dataclass(frozen=True)
class Credentials:
    """What this stack was set up with.

    Attributes
    ----------
    passwords : dict of str to str
        By role.
    port_offset : int or None
        What its ports were shifted by, None for a stack of before this was noted. BookKeeper knows its own data by the
        port, so it never changes.
    """

    passwords: dict[str, str]
    port_offset: int | None = None

    def dsn(self, role: str, port: int, database: str | None = None) -> str:
        """The DSN of `role`, on its own database unless another is named. The passwords need no quoting in it."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{port}/{database or role}"


def dsn_variable(service: str) -> str:
    """The environment variable that holds a service's DSN."""
    return f"ALPES_{service.upper()}_DSN"


def _path(settings: Settings) -> Path:
    return settings.home / "credentials.json"


def load(settings: Settings) -> Credentials:
    """Read this stack's credentials.

    Raises
    ------
    NotSetUpError
        There is no stack here yet.
    OtherPortsError
        It was set up with other ports than are asked for now.
    """
    try:
        known = Credentials(**json.loads(_path(settings).read_text()))
    except FileNotFoundError:
        raise NotSetUpError(f"There is no local stack in {settings.home} yet: run ./deploy.sh up") from None
    if known.port_offset not in {None, settings.ports.offset}:
        raise OtherPortsError(
            f"The local stack in {settings.home} was set up with ALPES_PORT_OFFSET={known.port_offset}, and"
            f" ALPES_PORT_OFFSET is {settings.ports.offset} now: set it so, or choose another folder with ALPES_HOME."
        )
    return known


def load_or_make(settings: Settings) -> Credentials:
    """Read this stack's credentials, or make them."""
    try:
        return load(settings)
    except NotSetUpError:
        passwords = {role: secrets.token_hex(16) for role in (SUPERUSER, *SERVICES)}
        credentials = Credentials(passwords, settings.ports.offset)
        descriptor = os.open(_path(settings), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(credentials), file)
        return credentials
