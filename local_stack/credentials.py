"""The passwords of this stack's PostgreSQL roles: made once, kept in a file that only its owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from local_stack import services
from local_stack.errors import LocalStackError, NotSetUpError
from local_stack.settings import CREDENTIALS, Settings

SUPERUSER = "postgres"


@dataclass(frozen=True)
class Credentials:
    """What this stack was set up with.

    Attributes
    ----------
    passwords : dict of str to str
        By role.
    port_offset : int or None
        What its ports are shifted by, None for a stack of before this was noted.
    """

    passwords: dict[str, str]
    port_offset: int | None = None

    def dsn(self, role: str, port: int, database: str | None = None) -> str:
        """The DSN of `role`, on its own database unless another is named. The passwords need no quoting in it."""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{port}/{database or role}"

    def dsns(self, port: int) -> dict[str, str]:
        """The DSN of each service that has a role here, by its environment variable."""
        wanted = services.dsn_variables()
        return {variable: self.dsn(service, port) for service, variable in wanted.items() if service in self.passwords}


def _path(settings: Settings) -> Path:
    return settings.home / CREDENTIALS


def load(settings: Settings) -> Credentials:
    """Read this stack's credentials.

    Raises
    ------
    NotSetUpError
        There is no stack here yet.
    """
    try:
        return Credentials(**json.loads(_path(settings).read_text()))
    except FileNotFoundError:
        raise NotSetUpError(f"There is no local stack in {settings.home} yet: run ./deploy.sh up") from None
    except OSError as error:
        raise LocalStackError(
            f"{_path(settings)} can't be read: {error.strerror}. Is the stack another user's?"
        ) from error


def load_or_make(settings: Settings) -> Credentials:
    """Read this stack's credentials, and make what is missing: all, or a new service's; note the stack's ports."""
    try:
        known = load(settings)
    except NotSetUpError:
        known = Credentials({})
    new = [role for role in (SUPERUSER, *services.dsn_variables()) if role not in known.passwords]
    if new or known.port_offset != settings.ports.offset:
        passwords = {**known.passwords, **{role: secrets.token_hex(16) for role in new}}
        known = replace(known, passwords=passwords, port_offset=settings.ports.offset)
        write_private(_path(settings), json.dumps(asdict(known)))
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
