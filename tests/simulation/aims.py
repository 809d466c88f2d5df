"""Aims at what chance left out: a run that met two steps is repeated, and struck between them.

Until then the run is the same as its seed's, so a pair of steps that was met once can certainly be interrupted.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.simulation.instance import FUNCTIONS
from tests.simulation.scheduler import Met, Pair

CRASH, HOLD = "crash", "hold"
"""The instance dies there, or is held while others go first, among them a newly started instance."""


class Aim(NamedTuple):
    """Where and how a run is struck: when an actor first stands between two steps."""

    actor: str
    before: str
    after: str
    how: str

    def __str__(self) -> str:
        return "/".join(self)

    @property
    def pair(self) -> Pair:
        """The two steps."""
        return self.actor, self.before, self.after


class Run(NamedTuple):
    """A seed, and what is aimed at in it."""

    seed: int
    aims: tuple[Aim, ...] = ()

    @property
    def command(self) -> str:
        """The command that shows the run step by step."""
        aims = "".join(f" --aim '{aim}'" for aim in self.aims)
        return f"python -m tests.simulation {self.seed}{aims}"


def parse(text: str) -> Aim:
    """Return the aim that a text shows. Raises `ValueError` if the text shows none."""
    actor, before, after, how = text.split("/")
    if how not in (CRASH, HOLD):
        raise ValueError(f"{how!r} is neither {CRASH} nor {HOLD}")
    return Aim(actor, before, after, how)


def is_of_a_function(pair: Pair) -> bool:
    """Whether two steps are a function's, which must be interrupted; the client's need not."""
    return pair[0].split()[0] in FUNCTIONS


def missing(pairs: Mapping[Pair, Met]) -> list[Aim]:
    """Return what never happened between two steps of a function: another actor ran, or the function died."""
    return [
        Aim(*pair, how)
        for pair, met in sorted(pairs.items())
        if is_of_a_function(pair)
        for how, times in ((HOLD, met.others_ran), (CRASH, met.died))
        if not times
    ]


def remember(first: dict[Pair, Run], run: Run, pairs: Iterable[Pair]) -> None:
    """Note a run for the pairs that it met, unless a known run met them with less aiming or a lower seed."""
    for pair in pairs:
        before = first.setdefault(pair, run)
        if (len(run.aims), run) < (len(before.aims), before):
            first[pair] = run
