"""Runs the HTTP API, `alpes serve`, beside Pulsar."""

import hashlib
import os
import signal
import sys

from connection.admin import Admin
from connection.errors import PulsarError
from connection.security import Security
from local_stack import processes
from local_stack.environment import without_dsns
from local_stack.secured import secrets
from local_stack.settings import CHECKOUT, Settings

READY_S = 60.0
REQUEST_S = 2.0
# It answers what it has in hand first, within 20 s.
STOP_STEPS = ((signal.SIGTERM, 25.0), (signal.SIGKILL, 5.0))
ROOMS = ("api", "client", "connection", "operations", "schemas", "terminal", "runtime/alpes_wire")
"""Whose code it runs: when that changed, the next `up` replaces it."""


def pid_file(settings: Settings) -> processes.PidFile:
    """Return the PID file of the API."""
    return processes.PidFile(settings.home / "api.pid")


def find(settings: Settings) -> int | None:
    """Return the PID of the API while it runs."""
    mark = _arguments(settings)
    return processes.find(pid_file(settings), lambda command: command[1 : len(mark) + 1] == mark)


def _arguments(settings: Settings) -> list[str]:
    """Return the arguments of Python by which the process is known."""
    return ["-m", "client", "serve", "--port", str(settings.ports.api)]


def is_current(settings: Settings) -> bool:
    """Return whether it was started with the code that is there now."""
    try:
        return (settings.home / "api.code").read_text() == _code()
    except OSError:
        return False


def start(settings: Settings) -> None:
    """Start it, and wait until it answers.

    Raises
    ------
    local_stack.errors.StartError
        It ended, or did not answer in time. Nothing of it is left running.
    """
    addresses = ["--service-url", settings.service_url, "--admin-url", settings.admin_url]
    if settings.secure:
        addresses += ["--token-file", str(secrets.api_tokens(settings))]
    code = _code()
    processes.start_detached(
        [sys.executable, *_arguments(settings), *addresses],
        pid_file=pid_file(settings),
        log=settings.logs / "api.log",
        environ=_environment(settings),
        cwd=CHECKOUT,
    )
    try:
        processes.wait_ready(
            "The HTTP API",
            pid_file(settings),
            lambda: is_ready(settings),
            within_s=READY_S,
            logs=[settings.logs / "api.log"],
        )
    except BaseException:
        stop(settings)
        raise
    (settings.home / "api.code").write_text(code)


def _environment(settings: Settings) -> dict[str, str]:
    """Return its environment. It uses no database, so it is told of none."""
    own = {"PYTHONPATH": os.pathsep.join([str(CHECKOUT), str(CHECKOUT / "runtime")])}
    return without_dsns() | own | secrets.variables(settings, secrets.API)


def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (CHECKOUT / room).rglob("*") if path.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(CHECKOUT)}\0".encode() + path.read_bytes())
    digest.update((CHECKOUT / "requirements" / "app.txt").read_bytes())
    return digest.hexdigest()


def is_ready(settings: Settings) -> bool:
    """Return whether it answers."""
    try:
        return bool(Admin(settings.api_url, timeout_s=REQUEST_S, pauses_s=(), security=Security()).text("/health/live"))
    except PulsarError:
        return False


def stop(settings: Settings) -> bool:
    """Stop it once it has answered what it has in hand; return whether it ran."""
    return processes.stop(pid_file(settings), STOP_STEPS)
