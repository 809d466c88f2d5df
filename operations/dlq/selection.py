"""Which dead letters an operator chooses. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Self

from operations.dlq.letters import Letter


@dataclass(frozen=True)
class Selection:
    """The criteria by which letters are chosen; every letter meets an empty set.

    Parameters
    ----------
    ids
        Ids, as `str` writes them.
    errors
        Error types.
    topics
        Topics that the messages came from.
    """

    ids: AbstractSet[str] = frozenset()
    errors: AbstractSet[str] = frozenset()
    topics: AbstractSet[str] = frozenset()

    def takes(self, letter: Letter) -> bool:
        """Return whether the letter is chosen."""
        return (
            (not self.ids or str(letter.id) in self.ids)
            and (not self.errors or letter.error_type in self.errors)
            and (not self.topics or letter.id.topic in self.topics)
        )

    def of_any_error(self) -> Self:
        """Return the same selection without its error types."""
        return replace(self, errors=frozenset())
