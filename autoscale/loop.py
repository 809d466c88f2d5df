"""Looks at functions, has the policy decide, and changes their numbers of instances."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from autoscale import policy
from autoscale.load import Limits, Load
from autoscale.looking import Looking
from autoscale.policy import Decision, History
from autoscale.spreading import Spreading
from connection import functions
from connection.admin import Admin
from connection.errors import PulsarError
from deployment.function_configs import PulsarFunctionConfig


@dataclass(frozen=True)
class Line:
    """What is to be told about one function.

    Attributes
    ----------
    function : str
        Its name.
    text : str
        What, in one line.
    load : Load or None
        What was seen of it; None if it could not be looked at.
    decision : Decision or None
        What was decided; None if nothing could be.
    changed : bool
        Whether its number of instances was changed.
    error : PulsarError or None
        What kept it from being looked at or changed.
    at : datetime
        When.
    """

    function: str
    text: str
    load: Load | None = None
    decision: Decision | None = None
    changed: bool = False
    error: PulsarError | None = None
    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def kind(self) -> str:
        """The same as long as it says the same."""
        return f"{self.decision.kind} {self.decision.wanted}" if self.decision else self.text

    def as_text(self) -> str:
        """Return the line for a person."""
        return f"{self.at.isoformat(timespec='seconds')} {self.function:<10} {self.text}"

    def as_json(self) -> dict[str, Any]:
        """Return the line for a script; its keys stay as they are."""
        return {
            "at": self.at.isoformat(timespec="milliseconds"),
            "function": self.function,
            "instances": self.load.wanted if self.load else None,
            "wanted": self.decision.wanted if self.decision else None,
            "changed": self.changed,
            "reason": self.decision.reason if self.decision else self.text,
            "load": dataclasses.asdict(self.load) if self.load else None,
        }


class Autoscaler:
    """Keeps functions at the number of instances that their load needs.

    Parameters
    ----------
    admin
        Pulsar's admin API.
    configs
        The functions, each with bounds.
    looking
        Looks at them.
    dry_run
        Whether to change nothing.
    at_once
        Whether to decide as if the load had long been as it is.
    """

    def __init__(
        self,
        admin: Admin,
        configs: Sequence[PulsarFunctionConfig],
        looking: Looking,
        *,
        dry_run: bool = False,
        at_once: bool = False,
    ) -> None:
        self._admin = admin
        self._looking = looking
        self._spreading = Spreading(admin)
        self._dry_run = dry_run
        self._at_once = at_once
        self._configs = list(configs)
        self._histories = {config.name: History() for config in configs}

    def step(self) -> Iterator[Line]:
        """Look at each function once, and do what the policy decides; yield what there is to say."""
        workers: int | None = None
        for number, config in enumerate(self._configs):
            try:
                workers = self._looking.workers() if number == 0 else workers
                yield from self._step(config, workers)
            except PulsarError as error:
                # What keeps one function from being scaled may not concern the others.
                yield Line(config.name, f"nothing is done: {error}", error=error)

    def _step(self, config: PulsarFunctionConfig, workers: int | None) -> Iterator[Line]:
        load = self._looking.look(config, workers)
        if load is None:
            yield Line(config.name, f"is not deployed: run ./deploy.sh deploy {config.name}")
            return
        history = self._histories[config.name]
        decision, history = policy.decide(load, limits(config), history, at_once=self._at_once)
        changes = decision.wanted != load.wanted and not self._dry_run
        if changes:
            functions.set_parallelism(self._admin, config.rest_path, decision.wanted)
            self._spreading.changed(config.name, decision.wanted)
        self._histories[config.name] = history
        yield Line(config.name, told(load, decision, dry_run=self._dry_run), load, decision, changes)
        if spread := self._spreading.after(config.name, load):
            yield Line(config.name, spread)


def limits(config: PulsarFunctionConfig) -> Limits:
    """Return what a function may have, by its configuration.

    Raises
    ------
    ValueError
        It has no bounds.
    """
    if config.bounds is None:
        raise ValueError(f"{config.name} has no bounds")
    # One thread of an instance computes at a time, whatever it may use.
    return Limits(config.bounds, min(1.0, config.cores), config.ram_bytes)


def told(load: Load, decision: Decision, *, dry_run: bool) -> str:
    """Return a decision in one line."""
    if decision.wanted == load.wanted:
        return f"{load.wanted}: {decision.reason}"
    would = " (not done: --dry-run)" if dry_run else ""
    return f"{load.wanted} → {decision.wanted}: {decision.reason}{would}"
