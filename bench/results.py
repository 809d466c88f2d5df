"""The results of a benchmark, as values and as JSON. They hold measured figures alone, and say what is missing."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from bench.errors import BenchError, UsageError
from bench.histogram import Latencies

FORM = 1
"""Version of the JSON's format. It is raised when a reader of the old format would misread the new one."""


@dataclass(frozen=True)
class Sample:
    """One sample of the system's figures, taken during a run.

    Attributes
    ----------
    at_s
        Seconds since the run began.
    cpu_s, memory_bytes
        By process; CPU seconds count from the process's start.
    state_age_s
        By how many seconds the state store was behind; None where it wasn't measured.
    table_bytes
        Size by table; empty where it wasn't measured.
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
        The run's name, such as ``a`` or ``1,000/s``.
    orders, distinct
        How many commands were sent, and how many orders they were about.
    rate
        Commands a second that the schedule asked for; None for as many as the broker accepted.
    seconds, per_second
        Seconds from the first order's intended time to the last order's end, and commands a second in this time.
    client_latest_s
        By how many seconds the client was behind its schedule at worst.
    cpu_s
        CPU seconds by process, while orders flowed.
    machine_busy_s
        CPU seconds of the whole machine in the same time, other programs included.
    latencies
        By step; ``end to end`` is the whole way.
    windows
        The ``end to end`` latencies of each window of `window_s` seconds.
    messages_per_commit, messages_per_entry
        By the messages' topic.
    commits_per_second
        Transactions a second that committed these messages.
    state
        How far the state store was behind, and how fast it caught up.
    postgres
        By how much PostgreSQL's own counters grew, until the state store had caught up.
    samples
        The samples that were taken during the run.
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
        """Return the run as JSON values, with the histograms in their own format."""
        # `asdict` on the whole run would copy the histograms, which can't be copied.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["latencies"] = {name: histogram.as_json() for name, histogram in self.latencies.items()}
        values["windows"] = [histogram.as_json() for histogram in self.windows]
        values["samples"] = [asdict(sample) for sample in self.samples]
        return values


@dataclass(frozen=True)
class Result:
    """The result of one command.

    Attributes
    ----------
    command, options
        The command and its options.
    started_at
        UTC, ISO 8601.
    environment
        Machine, versions, configuration, git revision; see `machine`.
    runs
        The runs in their order.
    figures
        Figures computed from the runs, by name.
    ratios
        By name, such as ``a/b``: median, noise and each round.
    missing
        Lines that say what could not be measured, and why.
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
        """Return the result as JSON values."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {"form": FORM, **values, "runs": [run.as_json() for run in self.runs]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Result":
        """Read what `as_json` wrote, without the runs: the gate needs none. Raise `ValueError` for another format."""
        if values.get("form") != FORM:
            raise ValueError(f"its format is not {FORM}")
        return cls(**{each.name: values[each.name] for each in fields(cls) if each.name != "runs"})


def write(result: Result, path: Path) -> None:
    """Write a result, whole or not at all."""
    write_text(path, json.dumps(result.as_json(), indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a file, whole or not at all. Raise `BenchError` if it can't be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
            file.write(text)
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise BenchError(f"{path} can't be written: {error.strerror}. Name another folder with --output.") from error


def read(path: Path) -> Result:
    """Read a result, without its runs.

    Raises
    ------
    UsageError
        The file can't be read, or holds no result.
    """
    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror}. Name a JSON file that python -m bench wrote."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is not a result of python -m bench ({' '.join(str(error).split())}).") from error
