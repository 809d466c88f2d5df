"""The passwords of this stack's PostgreSQL roles: made once, kept in a file that only its owner reads."""

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from local_stack.errors import NotSetUpError
from local_stack.settings import Settings

# One database and one role each, of the same name.
SERVICES = ("ordenes", "pagos", "reporting")
SUPERUSER = "postgres"


@dataclass(frozen=True)
class Credentials:
    """Passwords by role."""

    passwords: dict[str, str]

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
    """
    try:
        return Credentials(**json.loads(_path(settings).read_text()))
    except FileNotFoundError:
        raise NotSetUpError(f"There is no local stack in {settings.home} yet: run ./deploy.sh up") from None


def load_or_make(settings: Settings) -> Credentials:
    """Read this stack's credentials, or make them."""
    try:
        return load(settings)
    except NotSetUpError:
        credentials = Credentials({role: secrets.token_hex(16) for role in (SUPERUSER, *SERVICES)})
        descriptor = os.open(_path(settings), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(asdict(credentials), file)
        return credentials
