"""One real system for all end-to-end tests: the local stack, started and deployed to as a user would."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pulsar
import pytest

from tests.e2e.tienda import FIGURES, ROOT, Tienda

DSNS = {name: f"ALPES_{name.upper()}_DSN" for name in ("ordenes", "pagos", "reporting")}


UNSET = ("PULSAR_SERVICE_URL", "PULSAR_ADMIN_URL", "PULSAR_ADMIN", *DSNS.values())
"""What would make deploy.sh take our own stack for somebody's cluster."""


def _deploy(*arguments: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [str(ROOT / "deploy.sh"), *arguments], env=environment, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, f"./deploy.sh {' '.join(arguments)}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tienda]:
    """Bring the system up in a folder and on ports of its own, and take it down at the end.

    With ``ALPES_E2E_USE_ENV=1`` the system that the usual variables point to is used, and left alone.
    """
    environment = dict(os.environ)
    own = environment.get("ALPES_E2E_USE_ENV") != "1"
    if own:
        for name in UNSET:
            environment.pop(name, None)
        environment.setdefault("ALPES_PORT_OFFSET", "1000")
        environment.setdefault("ALPES_HOME", str(_home()))
        _deploy("up", environment=environment)
        _deploy("deploy", environment=environment)
        for line in _deploy("env", environment=environment).splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            environment[name] = shlex.split(value)[0]
    client = pulsar.Client(environment["PULSAR_SERVICE_URL"], logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error))
    yield Tienda(
        environment["PULSAR_SERVICE_URL"],
        environment["PULSAR_ADMIN_URL"],
        environment["PULSAR_ADMIN"],
        {name: environment[variable] for name, variable in DSNS.items()},
        client,
        {name: value for name, value in environment.items() if not own or name not in UNSET},
    )
    client.close()
    if own:
        for name in UNSET:
            environment.pop(name, None)
        _deploy("destroy", "--yes", environment=environment)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what the tests measured."""
    if FIGURES:
        terminalreporter.section("measured")
        for figure in FIGURES:
            terminalreporter.write_line(figure)


def _home() -> Path:
    # Not in a temporary folder of pytest: PostgreSQL's own user must be able to reach it.
    return ROOT / ".alpes-pruebas"
