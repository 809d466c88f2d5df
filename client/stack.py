"""Finds this checkout's local stack, so that a shell needs no variables to speak to it."""

from __future__ import annotations

import json
import os
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
NAMES_A_PULSAR = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL")
OPTIONS = ("--service-url", "--admin-url")


def use_local_stack(arguments: Sequence[str], environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the addresses and DSNs that `./deploy.sh up` wrote, unless a Pulsar is named already.

    Parameters
    ----------
    arguments
        The command line. If it names an address, the local stack's databases would be the wrong ones.
    environ
        The environment to add them to. Variables that it has already stay.
    """
    if any(environ.get(name) for name in NAMES_A_PULSAR) or any(word.startswith(OPTIONS) for word in arguments):
        return
    home = Path(environ.get("ALPES_HOME") or CHECKOUT / ".alpes").expanduser()
    # Without a file that can be read, the options' defaults hold: the usual ports.
    with suppress(OSError, ValueError):
        for name, value in json.loads((home / "environment.json").read_text(encoding="utf-8")).items():
            environ.setdefault(name, value)
