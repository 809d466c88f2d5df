"""Provides the environment variables that a program needs to use this stack."""

import json
import os
import shlex
from pathlib import Path

from local_stack import credentials
from local_stack.secured import secrets
from local_stack.settings import Settings


def variables(settings: Settings) -> dict[str, str]:
    """Return the variables by name.

    Raises
    ------
    local_stack.errors.NotSetUpError
        There is no stack yet.
    """
    known = credentials.load(settings)
    return {
        "PULSAR_SERVICE_URL": settings.service_url,
        "PULSAR_ADMIN_URL": settings.admin_url,
        **known.dsns(settings.ports.postgres),
        "PULSAR_ADMIN": str(settings.pulsar_admin),
        "ALPES_API_URL": settings.api_url,
        **secrets.variables(settings, secrets.OPERATOR),
        **({"ALPES_API_TOKEN_FILE": str(secrets.api_tokens(settings))} if settings.secure else {}),
    }


def without_dsns() -> dict[str, str]:
    """Return this process's environment for one that uses no database, so that it is told of none."""
    return {name: value for name, value in os.environ.items() if not name.endswith("_DSN")}


def path(settings: Settings) -> Path:
    """Return the file in which `up` stores them, for `alpes` (client/sources.py) and for functions of new services."""
    return settings.home / "environment.json"


def write(settings: Settings) -> None:
    """Write the file. It holds passwords, so only its owner can read it."""
    values = variables(settings) | secrets.function_variables(settings)
    credentials.write_private(path(settings), json.dumps(values, indent=2) + "\n")


def export_lines(settings: Settings) -> str:
    """Return the variables as `export` lines for a shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables(settings).items())
