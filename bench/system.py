"""The system to measure: a stack of the benchmark's own, with its own folder and ports, or one that runs already."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import LiteralString

import psycopg

from bench.errors import BenchError, NotReachableError
from connection.admin import Admin
from deployment import function_configs
from deployment.function_configs import PulsarFunctionConfig
from deployment.pulsar_cli import PulsarAdmin
from local_stack import credentials, environment, postgres
from local_stack.errors import LocalStackError
from local_stack.settings import CHECKOUT, Settings, from_environment
from terminal import progress

HOME = CHECKOUT / ".alpes-bench"
PORT_OFFSET = 3300
"""Leaves free the ports of stacks with the offsets 0, 1000 and 2000."""
DSNS = {name: config.dsn_variable for name, config in function_configs.load().items()}
SERVICES = tuple(DSNS)
UNSET = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL", "PULSAR_ADMIN", *DSNS.values())
"""Unset for a stack of our own: these variables would make the deployment take it for a cluster."""


@dataclass(frozen=True)
class System:
    """One running system.

    Attributes
    ----------
    service_url, admin_url : str
        Pulsar's two addresses.
    pulsar_admin : Path
        The program `pulsar-admin`.
    dsns : dict
        Each service's DSN.
    local : Settings or None
        The local stack's settings; None for a system whose processes can't be measured from here.
    own : bool
        Whether the benchmark started it, and so may fill its tables.
    """

    service_url: str
    admin_url: str
    pulsar_admin: Path
    dsns: Mapping[str, str]
    local: Settings | None
    own: bool

    @cached_property
    def api(self) -> Admin:
        """Pulsar's admin API."""
        return Admin(self.admin_url)

    @cached_property
    def cli(self) -> PulsarAdmin:
        """``pulsar-admin``."""
        return PulsarAdmin(self.pulsar_admin, self.api)

    @cached_property
    def configs(self) -> dict[str, PulsarFunctionConfig]:
        """The functions, as this checkout configures them."""
        return function_configs.load()

    def write_out(self) -> None:
        """Have PostgreSQL write every changed page to the disk now, and so not during a run. For a local stack."""
        if self.local is not None:
            _as_superuser(self.local, "CHECKPOINT")

    def variables(self) -> dict[str, str]:
        """Return the environment of a program that uses this system."""
        return {
            **{name: value for name, value in os.environ.items() if name not in UNSET},
            "PULSAR_SERVICE_URL": self.service_url,
            "PULSAR_ADMIN_URL": self.admin_url,
            "PULSAR_ADMIN": str(self.pulsar_admin),
            **{DSNS[service]: dsn for service, dsn in self.dsns.items()},
        }


@contextmanager
def running(*, use_env: bool, home: Path = HOME, port_offset: int = PORT_OFFSET) -> Iterator[System]:
    """Yield the system to measure: start a stack for it and remove it at the end, or use a running one.

    Parameters
    ----------
    use_env
        Use the running system that the environment names, and leave it running.
    home, port_offset
        The folder and the ports of the stack otherwise.

    Raises
    ------
    BenchError
        There is no such system, or no stack can be started; the message says what to do.
    """
    if use_env:
        yield named_by(os.environ)
        return
    environ = _environ(home, port_offset)
    if home.exists():
        raise BenchError(
            f"{home} exists already: another benchmark runs, or one was killed. Wait for it, or remove what it left: "
            f"ALPES_HOME={home} ALPES_PORT_OFFSET={port_offset} ./deploy.sh destroy --yes"
        )
    try:
        _run("local_stack", "up", environ=environ)
        with_commit_times(from_environment(environ))
        _run("local_stack", "up", environ=environ)
        _run("deployment", "deploy", environ=environ)
        settings = from_environment(environ)
        yield _local(settings, environment.variables(settings), own=True)
    finally:
        with _uninterrupted():
            _run("local_stack", "destroy", "--yes", environ=environ)


def named_by(environ: Mapping[str, str]) -> System:
    """Return the system that the environment names.

    Raises
    ------
    NotReachableError
        A variable is missing.
    """
    missing = [name for name in UNSET if name != "PULSAR_ADMIN" and not environ.get(name)]
    if missing:
        raise NotReachableError(
            f'--use-env needs {", ".join(missing)} in the environment: eval "$(./deploy.sh env)" sets them; '
            "without --use-env a stack of the benchmark's own is started."
        )
    values = {name: environ[name] for name in UNSET if environ.get(name)}
    settings = from_environment(environ)
    try:
        ours = environment.variables(settings)["PULSAR_SERVICE_URL"] == values["PULSAR_SERVICE_URL"]
    except LocalStackError:
        ours = False
    if ours:
        return _local(settings, values, own=False)
    return System(
        values["PULSAR_SERVICE_URL"],
        values["PULSAR_ADMIN_URL"],
        Path(values.get("PULSAR_ADMIN", "pulsar-admin")),
        {service: values[variable] for service, variable in DSNS.items()},
        None,
        own=False,
    )


def with_commit_times(settings: Settings) -> None:
    """Make PostgreSQL store when each row is committed, and stop it: the setting holds from its next start on.

    After a run, these times say to the microsecond when each order ended. Nothing has to poll during the run.
    """
    _as_superuser(settings, "ALTER SYSTEM SET track_commit_timestamp = on")
    postgres.stop(settings)


def _as_superuser(settings: Settings, statement: LiteralString) -> None:
    dsn = credentials.load(settings).dsn(credentials.SUPERUSER, settings.ports.postgres)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


def _local(settings: Settings, values: Mapping[str, str], *, own: bool) -> System:
    return System(
        values["PULSAR_SERVICE_URL"],
        values["PULSAR_ADMIN_URL"],
        Path(values.get("PULSAR_ADMIN") or settings.pulsar_admin),
        {service: values[variable] for service, variable in DSNS.items()},
        settings,
        own,
    )


def _environ(home: Path, port_offset: int) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in UNSET}
    return environ | {"ALPES_HOME": str(home), "ALPES_PORT_OFFSET": str(port_offset)}


def _run(module: str, *arguments: str, environ: Mapping[str, str]) -> None:
    """Run one of our own programs, with its output on standard error."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, env=environ, cwd=CHECKOUT, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise BenchError(f"python -m {module} {arguments[0]} failed with exit code {done.returncode}; see above.")


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C, so that the stack is removed whole."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: progress.say("Removing the benchmark's stack …"))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
