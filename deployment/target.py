"""Where to deploy: the local stack, or the cluster that the environment names."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployment.errors import TargetError
from deployment.function_configs import FunctionConfig
from local_stack import environment
from local_stack.errors import NotSetUpError
from local_stack.settings import Settings, from_environment

PULSAR_VARIABLES = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL")


@dataclass(frozen=True)
class Target:
    """A Pulsar and the databases.

    Attributes
    ----------
    service_url, admin_url : str
        Pulsar's two addresses.
    dsns : dict of str to str
        The services' DSNs by environment variable.
    local : Settings or None
        The local stack, where it is that.
    """

    service_url: str
    admin_url: str
    dsns: dict[str, str]
    local: Settings | None


def is_local(configs: Sequence[FunctionConfig], environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment means the local stack: it names nothing, or just what `env` of the stack prints.

    Raises
    ------
    TargetError
        It names a part of a cluster only.
    """
    needed = [*PULSAR_VARIABLES, *(config.dsn_variable for config in configs if config.dsn_variable)]
    given = {name: environ[name] for name in needed if environ.get(name)}
    try:
        own = environment.variables(from_environment(environ))
    except NotSetUpError:
        own = {}
    if all(own.get(name) == value for name, value in given.items()):
        return True
    missing = [name for name in needed if name not in given]
    if missing:
        raise TargetError(
            f"The environment has {', '.join(given)} but not {', '.join(missing)}: set these too to deploy to that"
            " cluster, or unset the others to use the local stack."
        )
    return False


def resolve(configs: Sequence[FunctionConfig], environ: Mapping[str, str] = os.environ) -> Target:
    """Find out where to deploy these functions.

    Raises
    ------
    TargetError
        The environment names a part of a cluster only.
    local_stack.errors.NotSetUpError
        It means the local stack, and there is none.
    """
    if is_local(configs, environ):
        settings = from_environment(environ)
        values: Mapping[str, str] = environment.variables(settings)
        local: Settings | None = settings
    else:
        values, local = environ, None
    return Target(
        service_url=values["PULSAR_SERVICE_URL"],
        admin_url=values["PULSAR_ADMIN_URL"],
        dsns={config.dsn_variable: values[config.dsn_variable] for config in configs if config.dsn_variable},
        local=local,
    )


def pulsar_admin(target: Target, environ: Mapping[str, str] = os.environ) -> Path:
    """The executable `pulsar-admin`: the one that PULSAR_ADMIN names, else the local stack's, else the PATH's."""
    if environ.get("PULSAR_ADMIN"):
        return Path(environ["PULSAR_ADMIN"])
    settings = target.local or from_environment(environ)
    for candidate in (settings.pulsar_admin, settings.distribution / "bin" / "pulsar-admin"):
        if candidate.exists():
            return candidate
    return Path("pulsar-admin")
