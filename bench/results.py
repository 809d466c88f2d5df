"""What a benchmark found, as a value and as JSON: nothing that wasn't measured, and what couldn't be is said."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError
from bench.histogram import Latencies

FORM = 1
"""Of the JSON; raised when a reader of the older form would misread the newer."""


@dataclass(frozen=True)
class Sample:
    """One look at the system while orders flowed.

    Attributes
    ----------
    at_s
        Seconds since the run began.
    cpu_s, memory_bytes
        By process, CPU seconds cumulative.
    state_age_s
        Seconds that the state store was behind; None where it wasn't asked.
    table_bytes
        By table; empty where it wasn't asked.
    """

    at_s: float
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    state_age_s: float | None = None
    table_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """One measured run. A figure that is None, or a name that is absent, wasn't measured; `Result.missing` says why.

    Attributes
    ----------
    name
        What ran, such as ``a`` or ``1,000/s``.
    orders, distinct
        Commands that were sent, and orders that they were about.
    rate
        Commands a second that were to be sent; None for as many as were accepted.
    seconds, per_second
        From the first order's intended time to the last one's end, and commands a second in between.
    client_latest_s
        By how much the client was behind its schedule at worst.
    cpu_s
        CPU seconds by process, while orders flowed.
    machine_busy_s
        The same of the whole machine, whatever ran on it.
    latencies
        By step, of the whole way ``end to end``.
    windows
        ``end to end`` by window of `window_s` seconds.
    messages_per_commit, messages_per_entry
        By the topic that the messages come from, and are on.
    commits_per_second
        Of the transactions that those messages were committed in.
    state
        How far the state store was behind, and how fast it caught up.
    postgres
        By how much PostgreSQL's own counters grew, with what followed until the state store had caught up.
    samples
        Looks at it meanwhile.
    """

    name: str
    orders: int
    distinct: int
    rate: float | None
    seconds: float
    per_second: float
    client_latest_s: float = 0.0
    cpu_s: Mapping[str, float] = field(default_factory=dict)
    machine_busy_s: float | None = None
    latencies: Mapping[str, Latencies] = field(default_factory=dict)
    windows: Sequence[Latencies] = ()
    window_s: float = 10.0
    messages_per_commit: Mapping[str, float] = field(default_factory=dict)
    commits_per_second: float | None = None
    messages_per_entry: Mapping[str, float] = field(default_factory=dict)
    state: Mapping[str, float] = field(default_factory=dict)
    postgres: Mapping[str, Any] = field(default_factory=dict)
    samples: Sequence[Sample] = ()

    def cpu_us_per_order(self) -> dict[str, float]:
        """Return microseconds of CPU per command, by process."""
        return {name: 1e6 * seconds / self.orders for name, seconds in self.cpu_s.items()}

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON; histograms in their own form."""
        # Not `asdict` on the whole: it copies histograms, which know no copying.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["latencies"] = {name: histogram.as_json() for name, histogram in self.latencies.items()}
        values["windows"] = [histogram.as_json() for histogram in self.windows]
        values["samples"] = [asdict(sample) for sample in self.samples]
        return values


@dataclass(frozen=True)
class Result:
    """All that one command found.

    Attributes
    ----------
    command, options
        What was asked for.
    started_at
        UTC, ISO 8601.
    environment
        Machine, versions, configuration, git revision; see `machine`.
    runs
        In their order.
    figures
        What was computed from them, by name.
    ratios
        By name, such as ``a/b``: median, noise and each round.
    missing
        What could not be measured, and why, a line each.
    """

    command: str
    options: Mapping[str, Any]
    started_at: str
    environment: Mapping[str, Any]
    runs: Sequence[Run] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)
    ratios: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for JSON."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {"form": FORM, **values, "runs": [run.as_json() for run in self.runs]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Result":
        """Read what `as_json` wrote, without its runs: the gate needs none. Raises `ValueError` for another form."""
        if values.get("form") != FORM:
            raise ValueError(f"it is not of form {FORM}")
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name != "runs"})


def write(result: Result, path: Path) -> None:
    """Write a result, whole or not at all."""
    write_text(path, json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raises `BenchError` where it can't be."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        os.replace(file.name, path)  # noqa: PTH105 - of two names, as a move is said
    except OSError as error:
        raise BenchError(f"{path} can't be written: {error.strerror}. Name another folder with --output.") from error


def read(path: Path) -> Result:
    """Read a result, without its runs.

    Raises
    ------
    UsageError
        There is none.
    """
    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror}. Name a JSON file that python -m bench wrote."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is no result of python -m bench ({' '.join(str(error).split())}).") from error
