"""Generates the passwords of this stack's PostgreSQL roles once; keeps them in a file that only its owner can read."""

import json
import os
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import quote

from local_stack import services
from local_stack.errors import LocalStackError, NotSetUpError
from local_stack.secured import secrets as secrets_of
from local_stack.settings import CREDENTIALS, Settings

SUPERUSER = "postgres"


@dataclass(frozen=True)
class Credentials:
    """The passwords and ports that this stack was set up with.

    Attributes
    ----------
    passwords : dict of str to str
        Passwords by role.
    port_offset : int or None
        Offset of its ports; None for a stack that is older than this field.
    secure : bool
        Whether it was made with `up --secure`.
    ca : str
        The authority that signed PostgreSQL's certificate; empty for a PostgreSQL without TLS. It is not stored.
    """

    passwords: dict[str, str]
    port_offset: int | None = None
    secure: bool = False
    ca: str = ""

    def dsn(self, role: str, port: int, database: str | None = None) -> str:
        """Return the DSN of `role`, by default for its own database. The passwords need no quoting in it."""
        verified = f"?sslmode=verify-full&sslrootcert={quote(self.ca)}" if self.ca else ""
        return f"postgresql://{role}:{self.passwords[role]}@127.0.0.1:{port}/{database or role}{verified}"

    def dsns(self, port: int) -> dict[str, str]:
        """Return the DSN of each service that has a role, by environment variable."""
        wanted = services.dsn_variables()
        return {variable: self.dsn(service, port) for service, variable in wanted.items() if service in self.passwords}


def _path(settings: Settings) -> Path:
    return settings.home / CREDENTIALS


def load(settings: Settings) -> Credentials:
    """Read this stack's credentials.

    Raises
    ------
    NotSetUpError
        There is no stack yet.
    """
    try:
        known = Credentials(**json.loads(_path(settings).read_text()))
    except FileNotFoundError:
        raise NotSetUpError(f"There is no local stack in {settings.home} yet: run ./deploy.sh up") from None
    except OSError as error:
        raise LocalStackError(
            f"{_path(settings)} can't be read: {error.strerror}. Is the stack another user's?"
        ) from error
    return replace(known, ca=str(secrets_of.authority(settings)) if known.secure else "")


def load_or_make(settings: Settings) -> Credentials:
    """Read this stack's credentials, generate missing passwords, and store the stack's ports."""
    try:
        known = load(settings)
    except NotSetUpError:
        known = Credentials({}, secure=settings.secure)
    new = [role for role in (SUPERUSER, *services.dsn_variables()) if role not in known.passwords]
    if new or known.port_offset != settings.ports.offset:
        passwords = {**known.passwords, **{role: secrets.token_hex(16) for role in new}}
        known = replace(known, passwords=passwords, port_offset=settings.ports.offset, ca="")
        write_private(_path(settings), json.dumps({key: value for key, value in asdict(known).items() if key != "ca"}))
        return load(settings)
    return known


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, atomically."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
