"""Finds out which ports are free, whom to blame if one isn't, and chooses those of a stack."""

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
"""The offsets that a stack chooses from. No two have a port in common: 2181, 3181 and 4181 lie 1000 apart."""


def is_taken(port: int) -> bool:
    """Whether `port` can't be listened on: somebody does, on the loopback address or any other."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        # Connections of an earlier stack that are still closing don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """Who listens on `port`, as words; empty when this user may not know, or before the packages are installed."""
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


def require_free(ports: dict[str, int], advice: str = "Stop that.") -> None:
    """See that each port is free.

    Parameters
    ----------
    ports : dict of str to int
        What each is for, and its number.
    advice : str
        What to do otherwise, in words.

    Raises
    ------
    PortTakenError
        One is taken; the message names it, what it is for and who has it.
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
        Whether it must keep the ports it has: a part of it runs, or there are data, which BookKeeper knows by the port.

    Returns
    -------
    Settings
        The same with the ports that `ALPES_PORT_OFFSET` asks for, else the usual ones, else the first free ones.

    Raises
    ------
    OtherPortsError
        It is bound, and others are asked for.
    PortTakenError
        All choices are taken, or what is asked for belongs to another stack.
    """
    if bound:
        if settings.asked_offset not in {None, settings.ports.offset}:
            raise OtherPortsError(
                f"The local stack in {settings.home} keeps its data under ALPES_PORT_OFFSET={settings.ports.offset},"
                f" and ALPES_PORT_OFFSET is {settings.asked_offset} now: unset it, or choose another folder with"
                " ALPES_HOME."
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
    """The ports of the first of some offsets at which all are free.

    Parameters
    ----------
    offsets : sequence of int
        To be looked at in this order.
    claimed : collection of int
        Ports that belong to somebody who doesn't run.

    Raises
    ------
    PortTakenError
        There is none.
    """
    for offset in offsets:
        ports = set(Ports(offset).all().values())
        if ports.isdisjoint(claimed) and not any(map(is_taken, ports)):
            return Ports(offset)
    raise PortTakenError(f"None of {len(offsets)} sets of ports is free: choose one with ALPES_PORT_OFFSET.")


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """No two stacks of a user choose at once, and each leaves word of its choice, for when it doesn't run."""
    from local_stack import locks  # noqa: PLC0415 - not before the packages are installed

    folder = _claims(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "lock").touch()
    except OSError:
        # A cache that is only read knows of no other stack; what runs is seen all the same.
        yield
        return
    with locks.exclusive(folder / "lock", "another stack, which chooses its ports"):
        yield


def claim(settings: Settings) -> None:
    """Leave word of the ports that the stack has noted."""
    with suppress(OSError):
        (_claims(settings) / str(settings.ports.offset)).write_text(str(settings.home))


def _claims(settings: Settings) -> Path:
    return settings.cache / "ports"


def claimed(settings: Settings) -> dict[int, Path]:
    """The ports of the user's other stacks, and whose each is.

    A claim counts for as long as its stack has noted the same.
    """
    found: dict[int, Path] = {}
    own = settings.home.resolve()
    with suppress(OSError):
        for file in _claims(settings).iterdir():
            # One that can't be read doesn't hide the others.
            with suppress(OSError, ValueError):
                home = Path(file.read_text())
                if file.name.isdecimal() and home.resolve() != own and noted_offset(home) == int(file.name):
                    found.update(dict.fromkeys(Ports(int(file.name)).all().values(), home))
    return found


def advice(*, bound: bool) -> str:
    """What to do about a taken port, for a stack that must keep its ports or need not."""
    if bound:
        return "Stop that: BookKeeper knows this stack's data by the port."
    return "Stop that, or unset ALPES_PORT_OFFSET: then free ports are chosen."
