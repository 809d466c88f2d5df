"""Finds out where the system is: from options, the environment, the file or this checkout's local stack."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from client import config_file
from terminal.settings import ADMIN_URL, SERVICE_URL

CHECKOUT = Path(__file__).resolve().parent.parent
NAMES_A_PULSAR = (SERVICE_URL.variable, ADMIN_URL.variable)
OPTIONS = tuple(f"--{setting.key}" for setting in (SERVICE_URL, ADMIN_URL))
ENVIRONMENT, FILE, LOCAL_STACK = "environment", "file", ".alpes"


@dataclass(frozen=True)
class Sources:
    """What the sources below the options say.

    Attributes
    ----------
    origins : dict of str to str
        Where each variable's value is from: `ENVIRONMENT`, `FILE` or `LOCAL_STACK`.
    file : Path or None
        The file's name, whether it is there or not.
    content : dict
        The file's content.
    """

    origins: dict[str, str] = field(default_factory=dict)
    file: Path | None = None
    content: dict[str, Any] = field(default_factory=dict)


def stack_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of the local stack."""
    return Path(environ.get("ALPES_HOME") or CHECKOUT / ".alpes").expanduser()


def take(arguments: Sequence[str], environ: MutableMapping[str, str] = os.environ) -> Sources:
    """Add to the environment what the file and the local stack say of where the system is.

    The sources are asked in the order environment, file, local stack. Once one of them, or an option, names a Pulsar,
    those after it say nothing: their databases would be another system's.

    Parameters
    ----------
    arguments
        The command line.
    environ
        The environment. Variables that it has stay.

    Raises
    ------
    ConfigFileError
        If the file can't be read.
    """
    file = config_file.path(environ)
    content = config_file.load(environ)
    origins = {name: ENVIRONMENT for name, value in environ.items() if value}
    named = any(word.startswith(OPTIONS) for word in arguments)
    for source, values in ((FILE, config_file.system(content, file)), (LOCAL_STACK, None)):
        if named or any(environ.get(name) for name in NAMES_A_PULSAR):
            break
        for name, value in (_of_stack(environ) if values is None else values).items():
            if not environ.get(name):
                environ[name] = value
                origins[name] = source
    return Sources(origins, file, content)


def _of_stack(environ: Mapping[str, str]) -> dict[str, str]:
    """Return what `./deploy.sh up` wrote. Without a file that can be read, the options' defaults hold."""
    found: dict[str, str] = {}
    with suppress(OSError, ValueError, RuntimeError):
        found = json.loads((stack_home(environ) / "environment.json").read_text(encoding="utf-8"))
    return found
