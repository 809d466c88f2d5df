"""A real system for the end-to-end tests, and one for the faults: the local stack, deployed to as a user would."""

import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from connection.client import Client
from deployment import function_configs
from local_stack import ports
from local_stack.errors import LocalStackError
from local_stack.settings import from_environment, noted_offset
from tests import checkouts
from tests.e2e.tienda import ROOT, Tienda

DSNS = {name: config.dsn_variable for name, config in function_configs.load().items()}

MOST_PROCESSES = 8
"""The most processes that run tests beside each other, each with a stack of its own."""
OFFSETS = range(1005, 2000, 10)
"""The ports of the tests' stack are this much higher. The 5 keeps them apart from those of usual stacks."""
UNSET = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL", "PULSAR_ADMIN", *DSNS.values())
"""Variables that would make deploy.sh take our own stack for a cluster."""


def uses_environment() -> bool:
    """Whether the tests use the system that the usual variables point to (``ALPES_E2E_USE_ENV=1``)."""
    return os.environ.get("ALPES_E2E_USE_ENV") == "1"


def deploy(*arguments: str, environment: dict[str, str], checkout: Path = ROOT) -> str:
    """Run ``./deploy.sh``; return what it prints."""
    done = subprocess.run(
        [str(checkout / "deploy.sh"), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, f"./deploy.sh {' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


def status(tienda: Tienda) -> tuple[int, str]:
    """Run ``./deploy.sh status``; return its exit code and what it prints."""
    done = asked(tienda, "status")
    return done.returncode, done.stdout + done.stderr


def asked(
    tienda: Tienda, *arguments: str, seconds: float = 120, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run ``./deploy.sh`` on a running system, with further variables of the environment."""
    command = [str(ROOT / "deploy.sh"), *arguments]
    environment = {**os.environ, **tienda.environment, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)


def own_environment(home: Path | None = None) -> dict[str, str]:
    """Return this process's environment with a folder and ports of the tests' own, unless it names others.

    Parameters
    ----------
    home
        The folder, whatever the environment names.
    """
    environment = {**checkouts.JVM, **{name: value for name, value in os.environ.items() if name not in UNSET}}
    if home is not None:
        environment |= {"ALPES_HOME": str(home)}
        environment.pop("ALPES_PORT_OFFSET", None)
    environment.setdefault("ALPES_HOME", str(_home()))
    if "ALPES_PORT_OFFSET" not in environment:
        # Not the usual ports: a stack of the developer that is down for the moment needs them again.
        noted = noted_offset(Path(environment["ALPES_HOME"]))
        if noted is None:
            own = OFFSETS[_process() :: MOST_PROCESSES]
            noted = ports.first_free(own, ports.claimed(from_environment(environment))).offset
        environment["ALPES_PORT_OFFSET"] = str(noted)
    return environment


def require_unused(environment: Mapping[str, str]) -> None:
    """Check that no other run uses the folder and the ports of the tests' own stack.

    Raises
    ------
    LocalStackError
        Another run does, or left its stack there; the message says what to do, in one line.
    """
    settings = from_environment(environment)
    if settings.home.exists():
        raise LocalStackError(
            f"{settings.home} is there already: another test run uses its stack, or kept it, or was killed. Wait for"
            f" it, or remove what is left: ALPES_HOME={settings.home} ALPES_PORT_OFFSET={settings.ports.offset}"
            " ./deploy.sh destroy --yes"
        )
    ports.require_free(settings.ports.all())


def bring_up(environment: dict[str, str]) -> dict[str, str]:
    """Start and deploy; return the environment with the variables that lead to it."""
    deploy("up", environment=environment)
    deploy("deploy", environment=environment)
    found = dict(environment)
    for line in deploy("env", environment=environment).splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        found[name] = shlex.split(value)[0]
    return found


@contextmanager
def taken_down(environment: dict[str, str]) -> Iterator[None]:
    """Take the tests' own stack down at the end, whatever came of it, unless ``ALPES_KEEP_STACK=1`` keeps it."""
    try:
        yield
    finally:
        if os.environ.get("ALPES_KEEP_STACK") != "1":
            deploy("destroy", "--yes", environment=environment)


def connect(found: dict[str, str], environment: dict[str, str]) -> Tienda:
    """Return the system that the variables of ``found`` lead to; ``environment`` is that of deploy.sh."""
    return Tienda(
        found["PULSAR_SERVICE_URL"],
        found["PULSAR_ADMIN_URL"],
        found["PULSAR_ADMIN"],
        {name: found[variable] for name, variable in DSNS.items()},
        Client(found["PULSAR_SERVICE_URL"]),
        environment,
    )


@pytest.fixture(scope="session")
def stack() -> Iterator[Tienda]:
    """Bring the system up in a folder and on ports of its own, and take it down at the end.

    With ``ALPES_E2E_USE_ENV=1`` the system that the usual variables point to is used, and left alone. With
    ``ALPES_KEEP_STACK=1`` the tests' own is left running, for the next run.
    """
    if uses_environment():
        tienda = connect(dict(os.environ), dict(os.environ))
        yield tienda
        tienda.client.close()
        return
    environment = own_environment()
    with taken_down(environment):
        tienda = connect(bring_up(environment), environment)
        yield tienda
        tienda.client.close()


@pytest.fixture
def databases(stack: Tienda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the environment name the databases, as `alpes` looks for them."""
    for service, dsn in stack.dsns.items():
        monkeypatch.setenv(DSNS[service], dsn)


def _home() -> Path:
    # Always the same folder, so that the next run finds a stack that was kept, or left by a killed run.
    number = _process()
    return ROOT / (f".alpes-pruebas-{number}" if number else ".alpes-pruebas")


def _process() -> int:
    """Return the number of this process among those that run tests; 0 for the first or only one."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
