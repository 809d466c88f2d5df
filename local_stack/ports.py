"""Chooses the ports of a stack, and finds out which ones are free and who uses the others."""

import errno
import socket
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from local_stack.errors import OtherPortsError, PortTakenError
from local_stack.settings import Ports, Settings, noted_offset

HOST = "127.0.0.1"
CHOICES = range(0, 1000, 10)
"""The offsets that a stack chooses from. No two share a port: 2181, 3181 and 4181 are 1000 apart."""


def is_taken(port: int) -> bool:
    """Return whether a process listens on `port`, on the loopback address or any other."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        # Ignore connections of an earlier stack that are still closing.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """Return who listens on `port`; empty where this user may not know, or before the packages are installed."""
    try:
        import psutil  # noqa: PLC0415
    except ImportError:
        return ""
    try:
        for connection in psutil.net_connections("tcp"):
            listens_there = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens_there and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid} of {process.username()})"
    except psutil.Error:
        return ""
    return ""


def require_free(ports: dict[str, int], advice: str = "Stop that process.") -> None:
    """Require that each port is free.

    Parameters
    ----------
    ports : dict of str to int
        Port numbers by purpose.
    advice : str
        What to do otherwise, for the error message.

    Raises
    ------
    PortTakenError
        A port is taken. The message says which, what for, and by whom.
    """
    for purpose, port in ports.items():
        if is_taken(port):
            who = holder(port) or "another process"
            raise PortTakenError(f"Port {port}, which {purpose} needs, is taken by {who}. {advice}")


def choose(settings: Settings, *, bound: bool) -> Settings:
    """Choose the ports of a stack that is about to start; call it within `one_at_a_time`.

    Parameters
    ----------
    settings : Settings
        The stack.
    bound : bool
        Whether it must keep its ports: a part of it runs, or it has data, which BookKeeper ties to the port.

    Returns
    -------
    Settings
        The settings with the ports that `ALPES_PORT_OFFSET` asks for, else the usual ones, else the first free ones.

    Raises
    ------
    OtherPortsError
        The stack must keep its ports, and `ALPES_PORT_OFFSET` asks for others.
    PortTakenError
        All choices are taken, or the requested ports belong to another stack.
    """
    if bound:
        if settings.asked_offset not in {None, settings.ports.offset}:
            raise OtherPortsError(
                f"The data of the local stack in {settings.home} need ALPES_PORT_OFFSET={settings.ports.offset}, but"
                f" ALPES_PORT_OFFSET is {settings.asked_offset}: unset it, or choose another folder with ALPES_HOME."
            )
        return settings
    claims = claimed(settings)
    if settings.asked_offset is None:
        return replace(settings, ports=first_free(CHOICES, claims))
    asked = Ports(settings.asked_offset)
    for purpose, port in asked.all().items():
        if port in claims:
            raise PortTakenError(
                f"Port {port}, which {purpose} needs with ALPES_PORT_OFFSET={asked.offset}, belongs to the stack in"
                f" {claims[port]}, running or not: choose another ALPES_PORT_OFFSET, or unset it."
            )
    return replace(settings, ports=asked)


def first_free(offsets: Sequence[int], claimed: Collection[int] = ()) -> Ports:
    """Return the ports of the first offset at which all are free.

    Parameters
    ----------
    offsets : sequence of int
        Offsets to try, in this order.
    claimed : collection of int
        Ports that belong to other stacks, running or not.

    Raises
    ------
    PortTakenError
        No offset has all ports free.
    """
    for offset in offsets:
        ports = set(Ports(offset).all().values())
        if ports.isdisjoint(claimed) and not any(map(is_taken, ports)):
            return Ports(offset)
    raise PortTakenError(f"None of {len(offsets)} sets of ports is free: choose one with ALPES_PORT_OFFSET.")


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Hold the lock under which a user's stacks choose and claim their ports."""
    from local_stack import locks  # noqa: PLC0415 - needs the installed packages

    folder = _claims(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError:
        # A read-only cache has no claims of other stacks. Ports in use are noticed without them.
        yield
        return
    with locks.exclusive(folder / "lock", "another stack that chooses its ports"):
        yield


def claim(settings: Settings) -> None:
    """Record that the stack's ports are its own, for when it doesn't run."""
    with suppress(OSError):
        (_claims(settings) / str(settings.ports.offset)).write_text(str(settings.home))


def _claims(settings: Settings) -> Path:
    return settings.cache / "ports"


def claimed(settings: Settings) -> dict[int, Path]:
    """Return the ports of the user's other stacks, with the home of each.

    A claim is valid while the stack's own credentials name the same ports.
    """
    found: dict[int, Path] = {}
    own = settings.home.resolve()
    with suppress(OSError):
        for file in _claims(settings).iterdir():
            # Skip a claim that can't be read.
            with suppress(OSError, ValueError):
                home = Path(file.read_text())
                if file.name.isdecimal() and home.resolve() != own and noted_offset(home) == int(file.name):
                    found.update(dict.fromkeys(Ports(int(file.name)).all().values(), home))
    return found


def advice(*, bound: bool) -> str:
    """Return what to do about a taken port, for a stack that must keep its ports (`bound`) or one that need not."""
    if bound:
        return "Stop that process: BookKeeper ties this stack's data to the port."
    return "Stop that process, or unset ALPES_PORT_OFFSET to have free ports chosen."
