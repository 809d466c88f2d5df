"""Says which system to look at, also where the environment names only a part of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployment.errors import TargetError
from deployment.function_configs import PulsarFunctionConfig
from deployment.target import Target, is_local
from local_stack import environment
from local_stack.errors import NotSetUpError
from local_stack.settings import Settings, from_environment
from terminal.settings import ADMIN_URL, SERVICE_URL


@dataclass(frozen=True)
class Place:
    """The system to look at.

    Attributes
    ----------
    target : Target
        Its addresses, and those of its databases that are known.
    configs : sequence of PulsarFunctionConfig
        The functions that it should have.
    limit_s : float
        How long a check may take.
    mistake : str
        What is wrong with the environment that names it; empty if nothing is.
    """

    target: Target
    configs: Sequence[PulsarFunctionConfig]
    limit_s: float
    mistake: str = ""

    @property
    def local(self) -> Settings | None:
        """The local stack's settings; None for a cluster."""
        return self.target.local


def find(configs: Sequence[PulsarFunctionConfig], environ: Mapping[str, str], limit_s: float) -> Place:
    """Find out which system the environment names; without one, it is the local stack, whether it is there or not."""
    mistake = ""
    try:
        local = is_local(configs, environ)
    except TargetError as error:
        local, mistake = False, str(error)
    settings = from_environment(environ) if local else None
    values = _values(settings) if settings is not None else environ
    variables = [config.dsn_variable for config in configs if config.dsn_variable]
    target = Target(
        service_url=values.get(SERVICE_URL.variable) or SERVICE_URL.default,
        admin_url=values.get(ADMIN_URL.variable) or ADMIN_URL.default,
        dsns={name: values[name] for name in variables if values.get(name)},
        local=settings,
    )
    return Place(target, configs, limit_s, mistake)


def _values(settings: Settings) -> Mapping[str, str]:
    try:
        return environment.variables(settings)
    except NotSetUpError:
        return {SERVICE_URL.variable: settings.service_url, ADMIN_URL.variable: settings.admin_url}
