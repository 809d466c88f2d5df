"""A change of the target as a plain value, and how it is shown."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BY_HAND = "changed by hand"


@dataclass(frozen=True)
class Change:
    """One field of the target that deploying changes.

    Attributes
    ----------
    part : str
        What has the field, such as ``topic crear-orden``.
    field : str
        Its name, such as ``retention.retentionSizeInMB``; empty for the part itself.
    found, wanted : Any
        Its value there, and in this checkout; None where there is none.
    by_hand : bool
        Whether somebody changed it there since the last deployment.
    """

    part: str
    field: str
    found: Any
    wanted: Any
    by_hand: bool = False

    @property
    def line(self) -> str:
        """The change as a line of text."""
        mark = "+" if self.found is None else "-" if self.wanted is None else "~"
        drift = f"  ({BY_HAND})" if self.by_hand else ""
        name = f"{self.part}  {self.field}" if self.field else self.part
        return f"{mark} {name}: {_text(self.found)} → {_text(self.wanted)}{drift}"


def differences(part: str, found: Mapping[str, Any], wanted: Mapping[str, Any], prefix: str = "") -> Iterator[Change]:
    """Yield a change for each key of `wanted` that `found` has differently. Mappings are compared key by key."""
    for key, value in wanted.items():
        there = found.get(key)
        if isinstance(value, Mapping) and (isinstance(there, Mapping) or there is None):
            yield from differences(part, there or {}, value, f"{prefix}{key}.")
        elif there != value:
            yield Change(part, f"{prefix}{key}", there, value)


def by_hand(changes: Sequence[Change]) -> list[Change]:
    """Return the same changes, as made by somebody since the last deployment."""
    return [dataclasses.replace(change, by_hand=True) for change in changes]


def lines(changes: Sequence[Change]) -> list[str]:
    """Return a line for each change; parts that get the same field with the same value share one."""
    alike: dict[str, list[Change]] = {}
    for change in changes:
        kind = change.part.partition(" ")[0]
        alike.setdefault(f"{kind} {dataclasses.replace(change, part='').line}", []).append(change)
    return [_shared(group) for group in alike.values()]


def _shared(group: Sequence[Change]) -> str:
    if len(group) == 1:
        return group[0].line
    kind = group[0].part.partition(" ")[0]
    names = ", ".join(change.part.removeprefix(f"{kind} ") for change in group)
    return dataclasses.replace(group[0], part=f"{len(group)} {kind}s").line + f": {names}"


def _text(value: Any) -> str:
    if value is None:
        return "none"
    return value if isinstance(value, str) and value else json.dumps(value)
