"""Reads and writes files of Java's properties, as Pulsar's settings are: Latin-1, with escapes for what that lacks."""

from __future__ import annotations

import codecs
import json
from collections.abc import Mapping

import javaproperties


def read(content: bytes) -> dict[str, str]:
    """Return the values by key; a key without a value is left out.

    Raises
    ------
    ValueError
        If an escape is none of Java's.
    """
    found = javaproperties.loads(content.removeprefix(codecs.BOM_UTF8))
    return {name: text for name, value in found.items() if (text := value.strip())}


def written(values: Mapping[str, object]) -> str:
    """Return the lines of a file with these values, all of it ASCII.

    Java's own programs escape colons, too. BookKeeper reads such files by rules of its own, so less is escaped here.
    """
    # JSON's escapes of backslashes, quotes and all that isn't ASCII are Java's, too.
    return "".join(f"{name}={json.dumps(str(value))[1:-1]}\n" for name, value in values.items())
