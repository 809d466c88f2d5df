"""The stack as a whole: bring up what does not run, take down what does."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from local_stack import broker, credentials, distribution, ports, postgres, progress
from local_stack.errors import LocalStackError
from local_stack.settings import Settings

# Room for data and logs to begin with.
NEEDED_BYTES = 500_000_000
LOCK_NAME = "lock"


@dataclass(frozen=True)
class Status:
    """How one part is.

    Attributes
    ----------
    name : str
        What it is called.
    pid : int or None
        Its process while it runs.
    ready : bool
        Whether it answers.
    address : str
        Where.
    """

    name: str
    pid: int | None
    ready: bool
    address: str


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """One at a time changes a stack, and only what is one: `destroy` removes the whole folder."""
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        if not (settings.home / LOCK_NAME).exists() and any(settings.home.iterdir()):
            raise LocalStackError(
                f"{settings.home} holds other things already: choose a folder for the stack alone with ALPES_HOME."
            )
        file = (settings.home / LOCK_NAME).open("w")
    except OSError as error:
        raise LocalStackError(
            f"{settings.home} can't be written to: {error.strerror}. Choose with ALPES_HOME."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with progress.step("Waiting for another run on this stack", "The other run ended"):
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def up(settings: Settings) -> bool:
    """Start whatever part does not run, and leave the rest alone.

    Returns
    -------
    bool
        Whether anything was started.

    Raises
    ------
    LocalStackError
        A part can't be started; what this call had started is stopped again.
    """
    with _alone(settings), ExitStack() as undo:
        known = credentials.load_or_make(settings)
        with_postgres = postgres.pid_file(settings).running() is None
        with_broker = broker.pid_file(settings).running() is None
        # What can fail goes before what would have to be undone.
        if with_postgres:
            ports.require_free({"PostgreSQL": settings.ports.postgres})
        if with_broker:
            ports.require_free(settings.ports.of_pulsar())
            distribution.ensure(settings)
        if with_postgres or with_broker:
            distribution.require_space(settings.home, NEEDED_BYTES, "ALPES_HOME")
        if with_postgres:
            with progress.step("Starting PostgreSQL", "PostgreSQL started"):
                postgres.start(settings, known)
            undo.callback(postgres.stop, settings)
        # A run that was killed may have left one that is still starting.
        elif not postgres.is_ready(settings, known):
            with progress.step("Waiting for PostgreSQL", "PostgreSQL answers"):
                postgres.wait_ready(settings, known)
        if with_broker:
            with progress.step("Starting Pulsar", "Pulsar started"):
                broker.start(settings, known)
        elif not broker.is_ready(settings):
            with progress.step("Waiting for Pulsar", "Pulsar answers"):
                broker.wait_ready(settings)
        undo.pop_all()
        return with_postgres or with_broker


def down(settings: Settings) -> bool:
    """Stop all parts, gently first, within a bounded time; the data stay. Returns whether anything ran."""
    if not settings.home.is_dir():
        return False
    with _alone(settings):
        ran = False
        for name, part in (("Pulsar", broker), ("PostgreSQL", postgres)):
            if part.pid_file(settings).running() is not None:
                with progress.step(f"Stopping {name}", f"{name} stopped"):
                    part.stop(settings)
                ran = True
            else:
                part.stop(settings)
        return ran


def destroy(settings: Settings) -> None:
    """Stop all parts and remove their data, logs, configuration and secrets. The download in the cache stays."""
    # A folder that is no stack's is somebody's own, however ALPES_HOME came to name it.
    if settings.home.is_dir() and not (settings.home / LOCK_NAME).exists():
        raise LocalStackError(f"{settings.home} is no folder of a local stack: nothing was removed.")
    down(settings)
    shutil.rmtree(settings.home, ignore_errors=False)


def status(settings: Settings) -> list[Status]:
    """How each part is."""
    postgres_pid = postgres.pid_file(settings).running()
    broker_pid = broker.pid_file(settings).running()
    return [
        Status("Pulsar", broker_pid, broker_pid is not None and broker.is_ready(settings), settings.service_url),
        Status(
            "PostgreSQL",
            postgres_pid,
            postgres_pid is not None and postgres.is_ready(settings, credentials.load(settings)),
            f"127.0.0.1:{settings.ports.postgres}",
        ),
    ]
