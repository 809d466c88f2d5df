"""Creates or updates functions, but only those that changed.

Two properties of the namespace note what is deployed: `<function>.deployed` is the fingerprint of zip and
configuration, `<function>.parallelism` is the YAML's parallelism at that time. So any checkout on any machine knows
what an update would change, and a parallelism that `scale` or `alpes autoscale` set stays until the YAML's changes, as
long as it is within the YAML's bounds.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from connection.admin import Admin
from deployment import instances, packages
from deployment.function_configs import PulsarFunctionConfig
from deployment.preflight import Packaged
from deployment.pulsar_cli import PulsarAdmin


@dataclass(frozen=True)
class Plan:
    """What to do about one function.

    Attributes
    ----------
    function : Packaged
        The function.
    action : str
        ``create``, ``update`` or ``unchanged``.
    parallelism : int
        How many instances it will have.
    noted : bool
        Whether the namespace's properties already say what will be deployed.
    remark : str
        Why its number of instances changes although nobody asked for that; often empty.
    """

    function: Packaged
    action: Literal["create", "update", "unchanged"]
    parallelism: int
    noted: bool = False
    remark: str = ""


def decide(
    function: Packaged, *, fingerprint: str, properties: dict[str, str], deployed_parallelism: int | None
) -> Plan:
    """Decide what to do about one function, from the notes of the last deployment. Pure.

    Parameters
    ----------
    function : Packaged
        The function, as it is in this checkout.
    fingerprint : str
        Its fingerprint.
    properties : dict of str to str
        The namespace's properties.
    deployed_parallelism : int or None
        Its parallelism on the cluster; None when it isn't deployed.
    """
    config = function.config
    noted = all(properties.get(key) == value for key, value in notes(config, fingerprint).items())
    if deployed_parallelism is None:
        return Plan(function, "create", config.parallelism)
    yaml_changed = properties.get(f"{config.name}.parallelism") != str(config.parallelism)
    parallelism = config.parallelism if yaml_changed else deployed_parallelism
    remark = ""
    if config.bounds and config.bounds.nearest(parallelism) != parallelism:
        remark = f"{parallelism} instances are outside the bounds {config.bounds} of {config.path.name}"
        parallelism = config.bounds.nearest(parallelism)
    same = properties.get(f"{config.name}.deployed") == fingerprint and parallelism == deployed_parallelism
    # If the YAML now says what `scale` had set, only the note changes: nothing needs a restart.
    return Plan(function, "unchanged" if same else "update", parallelism, noted, remark)


def notes(config: PulsarFunctionConfig, fingerprint: str) -> dict[str, str]:
    """Return the namespace's properties that note what is deployed."""
    return {f"{config.name}.deployed": fingerprint, f"{config.name}.parallelism": str(config.parallelism)}


def plan(functions: list[Packaged], api: Admin) -> list[Plan]:
    """Ask the cluster what is deployed, and decide for each function. The namespace need not exist yet."""
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


def _config_arguments(config: PulsarFunctionConfig, package: Path, parallelism: int) -> list[str]:
    return [
        "--function-config-file",
        str(packages.write_config(config, package).resolve()),
        "--py",
        str(package.resolve()),
        "--parallelism",
        str(parallelism),
    ]


def carry_out(todo: Plan, api: Admin, cli: PulsarAdmin, *, has_state_table: bool) -> None:
    """Create or update one function, and note what is deployed.

    Parameters
    ----------
    has_state_table : bool
        Whether the function's state table exists already. If not, the first instance starts alone and creates it.
        Several would race to create it, and the losers would die.
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


def scale(config: PulsarFunctionConfig, parallelism: int, cli: PulsarAdmin) -> None:
    """Change a function's number of instances, and nothing else."""
    cli.functions("update", *config.name_options, "--parallelism", str(parallelism))
