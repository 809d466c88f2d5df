"""Starts and stops the stack as a whole."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from local_stack import api, broker, credentials, distribution, environment, locks, ports, postgres
from local_stack.errors import LocalStackError, StartError
from local_stack.secured import secrets
from local_stack.settings import Settings, noted_offset
from terminal import progress

# Room for the first data and logs.
NEEDED_BYTES = 500_000_000
LOCK_NAME = "lock"
API = "the HTTP API"
MOST_CHOICES = 3
"""Of ports, if others take them before this stack listens."""


@dataclass(frozen=True)
class Status:
    """The status of one part.

    Attributes
    ----------
    name : str
        Its name.
    pid : int or None
        Its PID while it runs.
    ready : bool
        Whether it answers.
    address : str
        Its address.
    serves : bool
        Whether it serves callers alone, so that the functions run without it.
    """

    name: str
    pid: int | None
    ready: bool
    address: str
    serves: bool = False

    @property
    def line(self) -> str:
        """The status as a line of text."""
        state = "running" if self.ready else "started, not answering" if self.pid else "stopped"
        return f"{self.name:<11} {state} at {self.address}{f', process {self.pid}' if self.pid else ''}"


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Hold the lock on the stack's folder. A folder with other things is refused: `destroy` removes all of it."""
    with ExitStack() as held:
        try:
            settings.home.mkdir(parents=True, exist_ok=True)
            if not (settings.home / LOCK_NAME).exists() and any(settings.home.iterdir()):
                raise LocalStackError(
                    f"{settings.home} already has other contents: choose a folder for the stack alone with ALPES_HOME."
                )
            held.enter_context(locks.exclusive(settings.home / LOCK_NAME, "another run on this stack"))
        except OSError as error:
            raise LocalStackError(
                f"{settings.home} can't be written to: {error.strerror}. Choose another folder with ALPES_HOME."
            ) from error
        postgres.require_own(settings)
        yield


def secured(settings: Settings) -> Settings:
    """Return the settings of a stack with TLS, tokens and roles.

    Raises
    ------
    LocalStackError
        There is a stack already that was made without.
    """
    if noted_offset(settings.home) is not None and not settings.secure:
        raise LocalStackError(
            f"The stack in {settings.home} was made without --secure, and stays so: remove it with ./deploy.sh destroy,"
            " or make another one with ALPES_HOME=another/folder ./deploy.sh up --secure."
        )
    return replace(settings, secure=True)


def up(settings: Settings) -> bool:
    """Start the parts that are not running, and leave the others alone.

    Returns
    -------
    bool
        Whether anything was started.

    Raises
    ------
    LocalStackError
        A part can't be started. Parts that this call has started are stopped again.
    """
    with _alone(settings), ExitStack() as undo:
        with_postgres = postgres.find(settings) is None
        with_broker = broker.find(settings) is None
        bound = broker.has_data(settings) or not (with_postgres and with_broker)
        postgres.require_programs(settings)
        settings, known = _choose_ports(settings, bound=bound, with_postgres=with_postgres, with_broker=with_broker)
        secrets.make(settings)
        if not with_broker and (lacking := broker.lacking(settings, known)):
            doing = f"Restarting Pulsar, whose functions can't get {', '.join(lacking)}"
            with progress.step(f"{doing}: stopping it", "Pulsar stopped; no message is lost"):
                broker.stop(settings)
            with_broker = True
        if with_broker:
            distribution.ensure(settings)
        if with_postgres or with_broker:
            distribution.require_space(settings.home, NEEDED_BYTES, "ALPES_HOME")
        if with_postgres:
            with progress.step("Starting PostgreSQL", "PostgreSQL started"):
                settings, known = _start_postgres(settings, known, bound=bound)
            undo.callback(postgres.stop, settings)
        # A killed run may have left a PostgreSQL that is still starting.
        elif not postgres.is_ready(settings, known):
            with progress.step("Waiting for PostgreSQL", "PostgreSQL answers"):
                postgres.wait_ready(settings, known)
        if not with_postgres:
            postgres.create_databases(settings, known)
        if with_broker:
            with progress.step("Starting Pulsar", "Pulsar started"):
                broker.start(settings, known)
        elif not broker.is_ready(settings):
            with progress.step("Waiting for Pulsar", "Pulsar answers"):
                broker.wait_ready(settings)
        environment.write(settings)
        # Pulsar and PostgreSQL are of use without the API.
        undo.pop_all()
        return _start_api(settings) or with_postgres or with_broker


def start_api(settings: Settings) -> bool:
    """Start the HTTP API beside a running Pulsar, or anew if its code has changed; return whether it was started.

    Raises
    ------
    LocalStackError
        It can't be started.
    """
    with _alone(settings):
        return broker.find(settings) is not None and _start_api(settings)


def _start_api(settings: Settings) -> bool:
    if api.find(settings) is not None:
        if api.is_current(settings):
            return False
        with progress.step("Stopping the HTTP API to start it anew", "The HTTP API stopped"):
            api.stop(settings)
    ports.require_free({API: settings.ports.api}, "Stop that process, or start the stack on other ports.")
    with progress.step("Starting the HTTP API", f"The HTTP API started at {settings.api_url}"):
        api.start(settings)
    return True


def _choose_ports(
    settings: Settings, *, bound: bool, with_postgres: bool, with_broker: bool
) -> tuple[Settings, credentials.Credentials]:
    """Choose the ports of the parts that are to be started, check that they are free, and store them."""
    with ports.one_at_a_time(settings):
        settings = ports.choose(settings, bound=bound)
        # Check the ports before anything has to be undone, and before they are stored.
        needed = {"PostgreSQL": settings.ports.postgres} if with_postgres else {}
        if with_broker:
            needed |= settings.ports.of_pulsar()
        ports.require_free(needed, ports.advice(bound=bound))
        known = credentials.load_or_make(settings)
        ports.claim(settings)
    return settings, known


def _start_postgres(
    settings: Settings, known: credentials.Credentials, *, bound: bool
) -> tuple[Settings, credentials.Credentials]:
    """Start PostgreSQL. If another stack took its port since the choice, choose anew: that stack has all of them."""
    fixed = bound or settings.asked_offset is not None
    for left in reversed(range(MOST_CHOICES)):
        try:
            postgres.start(settings, known)
            break
        except StartError:
            if not left or fixed or not ports.is_taken(settings.ports.postgres):
                raise
            settings, known = _choose_ports(settings, bound=False, with_postgres=True, with_broker=True)
    return settings, known


def down(settings: Settings) -> bool:
    """Stop all parts, gracefully first, in a bounded time; keep the data. Return whether a part was running."""
    if not settings.home.is_dir():
        return False
    with _alone(settings):
        ran = False
        for name, part in ((API, api), ("Pulsar", broker), ("PostgreSQL", postgres)):
            if part.find(settings) is not None:
                with progress.step(f"Stopping {name}", f"{name} stopped"):
                    part.stop(settings)
                ran = True
            else:
                part.stop(settings)
        return ran


def destroy(settings: Settings) -> None:
    """Stop all parts and remove their data, logs, configuration and secrets; keep the download in the cache."""
    # ALPES_HOME may name a folder of the user's by mistake.
    if settings.home.is_dir() and not (settings.home / LOCK_NAME).exists():
        raise LocalStackError(f"{settings.home} is not the folder of a local stack: nothing was removed.")
    down(settings)
    postgres.remove(settings)
    shutil.rmtree(settings.home)


def status(settings: Settings) -> list[Status]:
    """Return the status of each part."""
    postgres_pid = postgres.pid_file(settings).running()
    broker_pid = broker.pid_file(settings).running()
    api_pid = api.pid_file(settings).running()
    return [
        Status("Pulsar", broker_pid, broker_pid is not None and broker.is_ready(settings), settings.service_url),
        Status(
            "PostgreSQL",
            postgres_pid,
            postgres_pid is not None and postgres.is_ready(settings, credentials.load(settings)),
            f"127.0.0.1:{settings.ports.postgres}",
        ),
        Status("HTTP API", api_pid, api_pid is not None and api.is_ready(settings), settings.api_url, serves=True),
    ]
