"""Finds out where to deploy: to the local stack, or to the cluster that the environment names."""

import os
import shutil
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from connection.security import CLIENT_CONF
from deployment.errors import TargetError
from deployment.function_configs import PulsarFunctionConfig
from local_stack import broker, environment
from local_stack.errors import NotSetUpError
from local_stack.secured import secrets
from local_stack.settings import Settings, from_environment

PULSAR_VARIABLES = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL")


@dataclass(frozen=True)
class Target:
    """The Pulsar and the databases to deploy to.

    Attributes
    ----------
    service_url, admin_url : str
        Pulsar's two addresses.
    dsns : dict of str to str
        The services' DSNs by environment variable. A local stack may not have every database yet.
    local : Settings or None
        The local stack's settings; None for a cluster.
    """

    service_url: str
    admin_url: str
    dsns: dict[str, str]
    local: Settings | None


def is_local(configs: Sequence[PulsarFunctionConfig], environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether to use the local stack: the environment names no cluster, or holds what `./deploy.sh env` prints.

    Raises
    ------
    TargetError
        The environment names only a part of a cluster, or mixes the local stack's values with others.
    """
    needed = [*PULSAR_VARIABLES, *(config.dsn_variable for config in configs if config.dsn_variable)]
    given = {name: environ[name] for name in needed if environ.get(name)}
    try:
        own = environment.variables(from_environment(environ))
    except NotSetUpError:
        own = {}
    if all(own.get(name) == value for name, value in given.items()):
        return True
    different = [name for name, value in given.items() if own.get(name) != value]
    names_our_pulsar = all(name in given and name not in different for name in PULSAR_VARIABLES)
    if own and names_our_pulsar and broker.pid_file(from_environment(environ)).running():
        # The stack's function worker uses the stack's databases, whatever our environment says.
        raise TargetError(
            f"The environment names the running local stack, but {', '.join(different)} differs from the stack's value."
            " Take the stack's own with eval \"$(env -u " + " -u ".join(different) + ' ./deploy.sh env)", or unset it.'
        )
    missing = [name for name in needed if name not in given]
    if missing:
        raise TargetError(
            f"The environment has {', '.join(given)} but not {', '.join(missing)}: set the missing ones to deploy to"
            " that cluster, or unset the others to use the local stack."
        )
    return False


def lacking(dsn_variables: Sequence[str]) -> str:
    """Return a sentence that says that the local stack lacks the databases of these variables."""
    return f"The local stack has no database for {', '.join(dsn_variables)} yet: run ./deploy.sh up"


def resolve(
    configs: Sequence[PulsarFunctionConfig], environ: Mapping[str, str] = os.environ, *, with_databases: bool = True
) -> Target:
    """Find out where to deploy these functions.

    Parameters
    ----------
    with_databases
        Whether each function's database must exist already.

    Raises
    ------
    TargetError
        As `is_local` does.
    local_stack.errors.NotSetUpError
        There is no local stack, or with ``with_databases`` it lacks the database of a function.
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


def take_role(
    configs: Sequence[PulsarFunctionConfig], role: str, environ: MutableMapping[str, str] = os.environ
) -> None:
    """Make this process a role of the local stack's, if that is where it works and the stack has roles.

    Raises
    ------
    TargetError
        As `is_local` does.
    """
    if is_local(configs, environ):
        settings = from_environment(environ)
        if settings.secure:
            environ.pop(CLIENT_CONF, None)
            environ.update(secrets.variables(settings, role))


def pulsar_admin(target: Target, environ: Mapping[str, str] = os.environ) -> Path:
    """Return the program `pulsar-admin`: the one that PULSAR_ADMIN names, else the PATH's, else the local stack's.

    On the local stack, its own goes before the PATH's. It brings its own Java, and is there once `./deploy.sh up` has
    run on this machine.
    """
    if environ.get("PULSAR_ADMIN"):
        return Path(environ["PULSAR_ADMIN"])
    if target.local:
        return target.local.pulsar_admin
    found = shutil.which("pulsar-admin", path=environ.get("PATH"))
    own = from_environment(environ).pulsar_admin
    return own if found is None and own.exists() else Path(found or "pulsar-admin")
