"""Where to deploy: the local stack, or the cluster that the environment names."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployment.errors import TargetError
from deployment.function_configs import FunctionConfig
from local_stack import broker, environment
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
        The services' DSNs by environment variable; of a local stack those that it has a database for.
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
    strange = [name for name, value in given.items() if own.get(name) != value]
    of_ours = all(name in given and name not in strange for name in PULSAR_VARIABLES)
    if own and of_ours and broker.pid_file(from_environment(environ)).running():
        # Its function worker has its own databases in its environment, whatever ours says.
        raise TargetError(
            f"{', '.join(strange)} in the environment is not the local stack's, which runs. Take its own values with"
            ' eval "$(env -u ' + " -u ".join(strange) + ' ./deploy.sh env)", or unset it.'
        )
    missing = [name for name in needed if name not in given]
    if missing:
        raise TargetError(
            f"The environment has {', '.join(given)} but not {', '.join(missing)}: set these too to deploy to that"
            " cluster, or unset the others to use the local stack."
        )
    return False


def lacking(dsn_variables: Sequence[str]) -> str:
    """Say that the local stack has no database for these variables to name."""
    return f"The local stack has no database for {', '.join(dsn_variables)} yet: run ./deploy.sh up"


def resolve(
    configs: Sequence[FunctionConfig], environ: Mapping[str, str] = os.environ, *, with_databases: bool = True
) -> Target:
    """Find out where to deploy these functions.

    Parameters
    ----------
    configs, environ
        Which functions, and what says where.
    with_databases
        Whether each must have its database already.

    Raises
    ------
    TargetError
        The environment names a part of a cluster only.
    local_stack.errors.NotSetUpError
        It means the local stack, and there is none, or with ``with_databases`` one of them has no database.
    """
    if is_local(configs, environ):
        settings = from_environment(environ)
        values: Mapping[str, str] = environment.variables(settings)
        local: Settings | None = settings
    else:
        values, local = environ, None
    needed = [config.dsn_variable for config in configs if config.dsn_variable]
    missing = [name for name in needed if name not in values]
    if missing and with_databases:
        raise NotSetUpError(lacking(missing))
    return Target(
        service_url=values["PULSAR_SERVICE_URL"],
        admin_url=values["PULSAR_ADMIN_URL"],
        dsns={name: values[name] for name in needed if name not in missing},
        local=local,
    )


def pulsar_admin(target: Target, environ: Mapping[str, str] = os.environ) -> Path:
    """The executable `pulsar-admin`: the one that PULSAR_ADMIN names, else for a cluster the PATH's, else our own.

    Our own brings its Java, so it serves a cluster too, on a machine where `up` ran once.
    """
    if environ.get("PULSAR_ADMIN"):
        return Path(environ["PULSAR_ADMIN"])
    if target.local:
        return target.local.pulsar_admin
    found = shutil.which("pulsar-admin", path=environ.get("PATH"))
    own = from_environment(environ).pulsar_admin
    return own if found is None and own.exists() else Path(found or "pulsar-admin")
