"""Reads the functions' configurations from `function-configs/*.yaml`."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployment.errors import DeploymentError, UsageError
from local_stack.services import FOLDER, read_configs

CHECKOUT = FOLDER.parent
REQUIRED = ("tenant", "namespace", "name", "className", "inputSpecs", "subName")


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
    def subscription(self) -> str:
        """The subscription with which it reads them."""
        return str(self.values["subName"])

    @property
    def parallelism(self) -> int:
        """The number of instances that the YAML asks for."""
        return int(self.values.get("parallelism", 1))

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
        There is no file, or one lacks a key that every function needs.
    LocalStackError
        A file isn't valid YAML.
    """
    configs = {}
    for path, values in read_configs(folder).items():
        if missing := [key for key in REQUIRED if not values.get(key)]:
            raise DeploymentError(f"{path.name} lacks {', '.join(missing)}.")
        config = PulsarFunctionConfig(path, values)
        configs[config.name] = config
    if not configs:
        raise DeploymentError(f"There is no function config in {folder}.")
    return configs


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
