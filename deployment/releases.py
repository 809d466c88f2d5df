"""Creates or updates functions, but only those that changed.

Properties of the namespace note what is deployed: `<function>.deployed` is the fingerprint of its zip,
`<function>.config` that of its configuration, `<function>.parallelism` the YAML's parallelism at that time. So any
checkout on any machine knows what an update would change and what somebody changed by hand, and a parallelism that
`scale` or `alpes autoscale` set stays until the YAML's changes, as long as it is within the YAML's bounds.
An update that doesn't change the parallelism leaves it out, and Pulsar keeps what it is by then.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from connection.admin import Admin
from deployment import instances, packages
from deployment.change import Change, by_hand, differences
from deployment.function_configs import PulsarFunctionConfig
from deployment.packages import Packaged
from deployment.pulsar_cli import PulsarAdmin

COMPARED_ALONE = {"parallelism", "userConfig", "inputSpecs"}


@dataclass(frozen=True)
class Release:
    """What to do about one function.

    Attributes
    ----------
    function : Packaged
        The function.
    action : str
        ``create``, ``update`` or ``unchanged``.
    parallelism : int
        How many instances it will have, if nobody sets another number meanwhile.
    noted : bool
        Whether the namespace's properties already say what will be deployed.
    changes : tuple of Change
        What that changes, field by field.
    remark : str
        Why its number of instances changes although nobody asked for that; often empty.
    """

    function: Packaged
    action: Literal["create", "update", "unchanged"]
    parallelism: int
    noted: bool = False
    changes: tuple[Change, ...] = ()
    remark: str = ""

    @property
    def sets_parallelism(self) -> bool:
        """Whether it decides how many instances there are."""
        return self.action == "create" or any(change.field == "parallelism" for change in self.changes)


def decide(
    function: Packaged, *, notes: Mapping[str, str], properties: Mapping[str, str], deployed: Mapping[str, Any] | None
) -> Release:
    """Decide what to do about one function, from the notes of the last deployment and what is there. Pure.

    Parameters
    ----------
    function : Packaged
        The function, as it is in this checkout.
    notes : dict of str to str
        What `notes` returns for it.
    properties : dict of str to str
        The namespace's properties.
    deployed : dict or None
        Its configuration on the cluster; None when it isn't deployed.
    """
    config = function.config
    part = f"function {config.name}"
    noted = all(properties.get(key) == value for key, value in notes.items())
    code, noted_code = notes[f"{config.name}.deployed"], properties.get(f"{config.name}.deployed")
    if deployed is None:
        changes = [Change(part, "", None, f"created, with parallelism {config.parallelism}")]
        return Release(function, "create", config.parallelism, noted, tuple(by_hand(changes) if noted else changes))
    there = int(deployed.get("parallelism", 1))
    yaml_changed = properties.get(f"{config.name}.parallelism") != str(config.parallelism)
    parallelism = config.parallelism if yaml_changed else there
    remark = ""
    if config.bounds and config.bounds.nearest(parallelism) != parallelism:
        remark = f"{parallelism} instances are outside the bounds {config.bounds} of {config.path.name}"
        parallelism = config.bounds.nearest(parallelism)
    changes = list(_configuration(part, deployed, config.pulsar_values))
    if properties.get(f"{config.name}.config") == notes[f"{config.name}.config"]:
        changes = by_hand(changes)
    if noted_code != code:
        changes.append(Change(part, "code", f"zip {(noted_code or 'unknown')[:12]}", f"zip {code[:12]}"))
    if parallelism != there:
        changes.append(Change(part, "parallelism", there, parallelism))
    # If the YAML now says what `scale` had set, only the note changes: nothing needs a restart.
    return Release(function, "update" if changes else "unchanged", parallelism, noted, tuple(changes), remark)


def _configuration(part: str, deployed: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[Change]:
    """Yield what an update would change of a configuration. Pulsar also returns fields that a YAML leaves out."""
    plain = {key: value for key, value in wanted.items() if key not in COMPARED_ALONE}
    yield from differences(part, deployed, plain)
    for key in ("userConfig", "inputSpecs"):
        ours, theirs = wanted.get(key) or {}, deployed.get(key) or {}
        yield from differences(part, theirs, ours, f"{key}.")
        yield from (Change(part, f"{key}.{name}", value, None) for name, value in theirs.items() if name not in ours)


def notes(function: Packaged) -> dict[str, str]:
    """Return the namespace's properties that note what is deployed."""
    config = function.config
    return {
        f"{config.name}.deployed": packages.fingerprint(function),
        f"{config.name}.config": packages.config_fingerprint(config),
        f"{config.name}.parallelism": str(config.parallelism),
    }


def plan(functions: Sequence[Packaged], api: Admin) -> list[Release]:
    """Ask the cluster what is deployed, and decide for each function. The namespace need not exist yet."""
    found = []
    for function in functions:
        properties = api.find(f"/admin/v2/namespaces/{function.config.namespace}/properties") or {}
        deployed = api.find(function.config.rest_path)
        found.append(decide(function, notes=notes(function), properties=properties, deployed=deployed))
    return found


def _config_arguments(release: Release, parallelism: int) -> list[str]:
    config, package = release.function.config, release.function.package
    number = ["--parallelism", str(parallelism)]
    if not release.sets_parallelism:
        # A name of its own: a deployment of this checkout to another cluster may create the function meanwhile.
        config, number = replace(config.without_parallelism, path=config.path.with_suffix(".update.yaml")), []
    file = packages.write_config(config, package)
    return ["--function-config-file", str(file.resolve()), "--py", str(package.resolve()), *number]


def carry_out(release: Release, api: Admin, cli: PulsarAdmin, *, has_state_table: bool) -> None:
    """Create or update one function, and note what is deployed.

    Parameters
    ----------
    has_state_table : bool
        Whether the function's state table exists already. If not, the first instance starts alone and creates it.
        Several would race to create it, and the losers would die.
    """
    config = release.function.config
    first = release.parallelism if has_state_table or release.action != "create" else 1
    if release.action != "unchanged":
        cli.functions(release.action, *_config_arguments(release, first))
    if first != release.parallelism:
        instances.wait_running(config, api, first)
        scale(config, release.parallelism, cli)
    if release.action != "unchanged" or not release.noted:
        api.put(f"/admin/v2/namespaces/{config.namespace}/properties", notes(release.function))


def scale(config: PulsarFunctionConfig, parallelism: int, cli: PulsarAdmin) -> None:
    """Change a function's number of instances, and nothing else."""
    cli.functions("update", *config.name_options, "--parallelism", str(parallelism))
