"""Reads the functions' configurations from `function-configs/*.yaml`."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deployment.errors import DeploymentError, UsageError
from local_stack.services import FOLDER, read_configs

CHECKOUT = FOLDER.parent
REQUIRED = ("tenant", "namespace", "name", "className", "inputSpecs", "subName")
AUTOSCALE = "autoscale"
"""The one key that isn't Pulsar's, which refuses a configuration with unknown keys."""
LEAST, MOST = "min", "max"


@dataclass(frozen=True)
class Bounds:
    """How many instances `alpes autoscale` may give a function.

    Attributes
    ----------
    least, most : int
        Both count.
    """

    least: int
    most: int

    def nearest(self, instances: int) -> int:
        """Return a number of instances, or the bound that it is beyond."""
        return max(self.least, min(self.most, instances))

    def __str__(self) -> str:
        return f"{self.least} to {self.most}"


@dataclass(frozen=True)
class PulsarFunctionConfig:
    """One function's configuration, as Pulsar reads it. The runtime's `FunctionConfig` is only its `user_config`.

    Attributes
    ----------
    path : Path
        The YAML file.
    values : dict
        The file's content.
    """

    path: Path
    values: dict[str, Any]

    @property
    def name(self) -> str:
        """The function's name, which is its service's too."""
        return str(self.values["name"])

    @property
    def tenant(self) -> str:
        """The function's tenant."""
        return str(self.values["tenant"])

    @property
    def namespace(self) -> str:
        """``tenant/namespace``."""
        return f"{self.tenant}/{self.values['namespace']}"

    @property
    def class_name(self) -> str:
        """The dotted path of its class."""
        return str(self.values["className"])

    @property
    def service(self) -> str:
        """The package under ``functions/`` that its zip holds: the second part of its class's path."""
        return self.class_name.split(".")[1]

    @property
    def inputs(self) -> list[str]:
        """The topics that it reads."""
        return [str(topic) for topic in self.values["inputSpecs"]]

    @property
    def output(self) -> str:
        """The topic that it writes to; empty without one."""
        return str(self.values.get("output") or "")

    @property
    def subscription(self) -> str:
        """The subscription with which it reads them."""
        return str(self.values["subName"])

    @property
    def parallelism(self) -> int:
        """The number of instances that the YAML asks for."""
        return int(self.values.get("parallelism", 1))

    @property
    def pulsar_values(self) -> dict[str, Any]:
        """The file's content without what only we read."""
        return {key: value for key, value in self.values.items() if key != AUTOSCALE}

    @property
    def without_parallelism(self) -> "PulsarFunctionConfig":
        """The configuration that leaves open how many instances there are."""
        return replace(self, values={key: value for key, value in self.values.items() if key != "parallelism"})

    @property
    def bounds(self) -> Bounds | None:
        """Within which `alpes autoscale` scales it; None if it shall not."""
        given = self.values.get(AUTOSCALE)
        return Bounds(given[LEAST], given[MOST]) if given is not None else None

    @property
    def cores(self) -> float:
        """The cores that an instance may keep busy, by `resources`; 1 unless it says otherwise."""
        return float((self.values.get("resources") or {}).get("cpu", 1))

    @property
    def ram_bytes(self) -> int | None:
        """The memory that an instance may use, by `resources`; None if it doesn't say."""
        given = (self.values.get("resources") or {}).get("ram")
        return None if given is None else int(given)

    @property
    def user_config(self) -> dict[str, Any]:
        """The settings that Pulsar hands to the function."""
        return dict(self.values.get("userConfig") or {})

    @property
    def dsn_variable(self) -> str:
        """The environment variable that holds its DSN; empty for a function without a database."""
        return str(self.user_config.get("dsn_env", ""))

    @property
    def full_name(self) -> str:
        """``tenant/namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def name_options(self) -> list[str]:
        """The options that name the function to `pulsar-admin functions`."""
        return ["--tenant", self.tenant, "--namespace", self.namespace.split("/")[1], "--name", self.name]

    @property
    def rest_path(self) -> str:
        """The function's path in the admin REST API."""
        return f"/admin/v3/functions/{self.full_name}"


def load(folder: Path = FOLDER) -> dict[str, PulsarFunctionConfig]:
    """Read all function configs.

    Raises
    ------
    DeploymentError
        There is no file, one lacks a key that every function needs, or its bounds or resources are wrong.
    LocalStackError
        A file isn't valid YAML.
    """
    configs = {}
    for path, values in read_configs(folder).items():
        if missing := [key for key in REQUIRED if not values.get(key)]:
            raise DeploymentError(f"{path.name} lacks {', '.join(missing)}.")
        _require_bounds(path.name, values)
        _require_resources(path.name, values)
        config = PulsarFunctionConfig(path, values)
        configs[config.name] = config
    if not configs:
        raise DeploymentError(f"There is no function config in {folder}.")
    return configs


def _require_bounds(name: str, values: dict[str, Any]) -> None:
    """Refuse bounds that can't be kept."""
    if AUTOSCALE not in values:
        return
    given = values[AUTOSCALE]
    numbers = list(given.values()) if isinstance(given, dict) and set(given) == {LEAST, MOST} else []
    # In Python, True is a 1.
    if not numbers or not all(type(each) is int and each >= 1 for each in numbers) or given[LEAST] > given[MOST]:
        raise DeploymentError(
            f"{name}: {AUTOSCALE} is {given!r}. It must be like {{{LEAST}: 1, {MOST}: 4}}: whole numbers from 1 on, and"
            f" {LEAST} not above {MOST}."
        )
    bounds, asked = Bounds(given[LEAST], given[MOST]), values.get("parallelism", 1)
    if bounds.nearest(asked) != asked:
        raise DeploymentError(f"{name}: parallelism is {asked}, outside the bounds {bounds} of {AUTOSCALE}.")


def _require_resources(name: str, values: dict[str, Any]) -> None:
    """Refuse resources by which no load can be measured."""
    given = values.get("resources") or {}
    if not isinstance(given, dict):
        raise DeploymentError(f"{name}: resources is {given!r}. It must be like {{cpu: 1.0, ram: 536870912}}.")
    for key, kinds, what in (("cpu", (int, float), "number of cores"), ("ram", (int,), "whole number of bytes")):
        if key in given and not (type(given[key]) in kinds and given[key] > 0):
            raise DeploymentError(f"{name}: resources.{key} is {given[key]!r}. It must be a {what} above 0.")


def select(configs: dict[str, PulsarFunctionConfig], names: Sequence[str]) -> list[PulsarFunctionConfig]:
    """Return the functions with these names, or all if there are no names.

    Raises
    ------
    UsageError
        There is no function of that name.
    """
    for name in names:
        if name not in configs:
            raise UsageError(f"There is no function {name!r}. {nearest(name, configs)}")
    return [configs[name] for name in dict.fromkeys(names)] if names else list(configs.values())


def nearest(word: str, known: Iterable[str]) -> str:
    """Return a hint about an unknown word: the nearest known one, or all of them."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names)}."
