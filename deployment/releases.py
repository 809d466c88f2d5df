"""Creates or updates functions, and only when something changed.

What is deployed is noted in the cluster itself, as properties of the namespace: `<function>.deployed` is the
fingerprint of zip and configuration, `<function>.parallelism` what the YAML said then. So any checkout on any machine
knows what an update would change, and a parallelism that `scale` set is kept until the YAML's own changes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from connection.admin import Admin
from deployment import instances, packages
from deployment.function_configs import FunctionConfig
from deployment.preflight import Packaged
from deployment.pulsar_cli import PulsarAdmin


@dataclass(frozen=True)
class Plan:
    """What is to be done about one function.

    Attributes
    ----------
    function : Packaged
        Which.
    action : str
        ``create``, ``update`` or ``unchanged``.
    parallelism : int
        How many instances it will have.
    noted : bool
        Whether the namespace's properties say so already.
    """

    function: Packaged
    action: Literal["create", "update", "unchanged"]
    parallelism: int
    noted: bool = False


def decide(
    function: Packaged, *, fingerprint: str, properties: dict[str, str], deployed_parallelism: int | None
) -> Plan:
    """Decide from what was noted at the last deployment. Pure.

    Parameters
    ----------
    function : Packaged
        The function as it is here.
    fingerprint : str
        Of what is here.
    properties : dict of str to str
        The namespace's.
    deployed_parallelism : int or None
        What the cluster runs it with; None when it doesn't.
    """
    config = function.config
    noted = all(properties.get(key) == value for key, value in notes(config, fingerprint).items())
    if deployed_parallelism is None:
        return Plan(function, "create", config.parallelism)
    yaml_changed = properties.get(f"{config.name}.parallelism") != str(config.parallelism)
    parallelism = config.parallelism if yaml_changed else deployed_parallelism
    same = properties.get(f"{config.name}.deployed") == fingerprint and parallelism == deployed_parallelism
    # A changed note alone (the YAML now says what `scale` had set) is no reason to restart anything.
    return Plan(function, "unchanged" if same else "update", parallelism, noted)


def notes(config: FunctionConfig, fingerprint: str) -> dict[str, str]:
    """The properties that say what is deployed."""
    return {f"{config.name}.deployed": fingerprint, f"{config.name}.parallelism": str(config.parallelism)}


def plan(functions: list[Packaged], api: Admin) -> list[Plan]:
    """Decide for each function, asking the cluster. Works before its namespace is there."""
    plans = []
    for function in functions:
        properties = api.find(f"/admin/v2/namespaces/{function.config.namespace}/properties") or {}
        deployed = api.find(function.config.rest_path)
        plans.append(
            decide(
                function,
                fingerprint=packages.fingerprint(function.config, function.package),
                properties=properties,
                deployed_parallelism=None if deployed is None else int(deployed.get("parallelism", 1)),
            )
        )
    return plans


def _config_arguments(config: FunctionConfig, package: Path, parallelism: int) -> list[str]:
    return [
        "--function-config-file",
        str(config.path.resolve()),
        "--py",
        str(package.resolve()),
        "--parallelism",
        str(parallelism),
    ]


def carry_out(todo: Plan, api: Admin, cli: PulsarAdmin, *, has_state_table: bool) -> None:
    """Create or update one function, and note it.

    Parameters
    ----------
    todo : Plan
        What.
    api, cli
        The cluster.
    has_state_table : bool
        Whether the function's state table is known to be there. If not, one instance starts alone and makes it: several
        would race, and the losers die.
    """
    config, package = todo.function.config, todo.function.package
    first = todo.parallelism if has_state_table or todo.action != "create" else 1
    if todo.action != "unchanged":
        cli.functions(todo.action, *_config_arguments(config, package, first))
    if first != todo.parallelism:
        instances.wait_running(config, api, first)
        scale(config, todo.parallelism, cli)
    if todo.action != "unchanged" or not todo.noted:
        properties = notes(config, packages.fingerprint(config, package))
        api.put(f"/admin/v2/namespaces/{config.namespace}/properties", properties)


def scale(config: FunctionConfig, parallelism: int, cli: PulsarAdmin) -> None:
    """Change the number of instances and nothing else."""
    cli.functions("update", *config.name_options, "--parallelism", str(parallelism))
