"""Which dead letters an operator means. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Self

from operations.dlq.letters import Letter


@dataclass(frozen=True)
class Selection:
    """What is asked of a letter; an empty set asks nothing.

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
        """Whether the letter is meant."""
        return (
            (not self.ids or str(letter.id) in self.ids)
            and (not self.errors or letter.error_type in self.errors)
            and (not self.topics or letter.id.topic in self.topics)
        )

    def of_any_error(self) -> Self:
        """Give the same choice whatever the error type."""
        return replace(self, errors=frozenset())
