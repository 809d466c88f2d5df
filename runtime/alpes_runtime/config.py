"""Reads a function's userConfig into a frozen dataclass, and refuses unknown keys."""

import dataclasses
import difflib
import json
import os
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from .errors import Misconfigured

C = TypeVar("C", bound="FunctionConfig")
FORMERLY = "formerly"
LATER_VARIABLES = "ALPES_LATER_VARIABLES"
"""Variable that may name a JSON file with variables that were added after the worker's start."""


@dataclass(frozen=True, kw_only=True)
class FunctionConfig:
    """The keys that every function has; a function's own config inherits from this class and adds fields.

    Parameters
    ----------
    dsn_env
        Name of the environment variable that holds the DSN. The DSN itself must not be in userConfig: Pulsar logs that.
    intake
        ``direct`` takes groups from consumers of our own; ``runtime`` takes messages one by one from Pulsar's runtime.
    batch_max
        Most messages that share a transaction, 1 to 5,000.
    retry_max_attempts, retry_initial_seconds
        Most attempts of a message that can't be processed yet, and the first wait in seconds; each later one doubles.
    trace_property
        Whether each event also has its trace context as the message property ``traceparent``, where Pulsar's tracing
        and other tools look for it. It costs time (docs/decisions/0029).
    """

    retry_suffix: ClassVar[str] = "-retry"
    """The input named ``<function><retry_suffix>`` carries later attempts; a function's own config may set another."""
    retired: ClassVar[Mapping[str, str]] = {}
    """Keys that do nothing any more, each with the reason; a config that has one still works, with a warning."""

    dsn_env: str
    intake: Literal["direct", "runtime"] = "direct"
    batch_max: int = 1000
    retry_max_attempts: int = 5
    retry_initial_seconds: float = 1.0
    trace_property: bool = False

    def __post_init__(self) -> None:
        require(1 <= self.batch_max <= 5000, "batch_max", self.batch_max, "1 to 5000")
        require(1 <= self.retry_max_attempts <= 20, "retry_max_attempts", self.retry_max_attempts, "1 to 20")
        require(0 < self.retry_initial_seconds <= 60, "retry_initial_seconds", self.retry_initial_seconds, "0 to 60 s")

    def dsn(self, environment: Mapping[str, str] = os.environ) -> str:
        """Return the DSN from the variable that the config names.

        A worker that was started before the variable was there has it in the file that `LATER_VARIABLES` names.

        Raises
        ------
        Misconfigured
            The variable isn't set in the worker's environment.
        """
        dsn = variable(self.dsn_env, environment)
        if not dsn:
            raise Misconfigured(
                f"The worker's environment has no {self.dsn_env} (userConfig: dsn_env): "
                "set it to the service's PostgreSQL DSN where the function worker is started"
            )
        return dsn


def variable(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return a variable of the worker's environment, or one that was added after the worker's start; empty without one.

    Raises
    ------
    Misconfigured
        The file with the later variables can't be read.
    """
    return environment.get(name, "") or _later_variables(environment).get(name, "")


def _later_variables(environment: Mapping[str, str]) -> Mapping[str, str]:
    path = environment.get(LATER_VARIABLES)
    try:
        return dict(json.loads(Path(path).read_text(encoding="utf-8"))) if path else {}
    except (OSError, ValueError) as error:
        raise Misconfigured(f"{path}, which {LATER_VARIABLES} names, can't be read: {error}") from error


def require(holds: bool, key: str, value: object, allowed: str) -> None:  # noqa: FBT001 -- reads as a sentence
    """Refuse a value out of range, naming the key and what is allowed."""
    if not holds:
        raise Misconfigured(f"userConfig: {key} is {value!r}, allowed is {allowed}")


def formerly(name: str) -> dict[str, str]:
    """Return the metadata of a field whose key had another name, which still works."""
    return {FORMERLY: name}


def parse_config(kind: type[C], user_config: Mapping[str, Any], warn: Callable[[str], None] = lambda _: None) -> C:
    """Build a function's config from its userConfig.

    Parameters
    ----------
    kind
        The dataclass of the function's keys.
    user_config
        The function's userConfig.
    warn
        Called with a warning for each key that is given by its former name (see `formerly`) or is retired.

    Raises
    ------
    Misconfigured
        A key is unknown (the error names a similar one), missing, given by both its names, or of the wrong type.
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}
    user_config = _by_present_names(fields, _without_retired(kind.retired, user_config, warn), warn)
    for key in user_config:
        if key not in fields:
            near = difflib.get_close_matches(key, fields, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(sorted(fields))}"
            raise Misconfigured(f"userConfig: unknown key {key!r}; {hint}")
    hints = typing.get_type_hints(kind)
    values = {key: _checked(key, value, hints[key]) for key, value in user_config.items()}
    for name, field in fields.items():
        if name not in values and field.default is dataclasses.MISSING:
            raise Misconfigured(f"userConfig: {name!r} is missing")
    return kind(**values)


def _without_retired(
    retired: Mapping[str, str], user_config: Mapping[str, Any], warn: Callable[[str], None]
) -> Mapping[str, Any]:
    for key in user_config.keys() & retired.keys():
        warn(f"userConfig: {key} does nothing any more, remove it: {retired[key]}")
    return {key: value for key, value in user_config.items() if key not in retired}


def _by_present_names(
    fields: Mapping[str, dataclasses.Field[Any]], user_config: Mapping[str, Any], warn: Callable[[str], None]
) -> Mapping[str, Any]:
    present = {field.metadata[FORMERLY]: name for name, field in fields.items() if FORMERLY in field.metadata}
    for former in user_config.keys() & present.keys():
        if present[former] in user_config:
            raise Misconfigured(f"userConfig: {former} is the former name of {present[former]}: keep the latter alone")
        warn(f"userConfig: {former} is called {present[former]} now; a later release will not know the former name")
    return {present.get(key, key): value for key, value in user_config.items()}


def _checked(key: str, value: Any, hint: Any) -> Any:
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value in choices:
            return value
        near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.4)
        hint_text = f"; did you mean {near[0]!r}?" if near else ""
        raise Misconfigured(f"userConfig: {key} is {value!r}, allowed is {' or '.join(map(repr, choices))}{hint_text}")
    if isinstance(hint, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not type(None))
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is float and number:
        return float(value)
    if hint is int and number and float(value).is_integer():
        return int(value)
    if hint not in (int, float) and isinstance(value, hint):
        return value
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    raise Misconfigured(f"userConfig: {key} must be {names.get(hint, hint)}, got {value!r}")
