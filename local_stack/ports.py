"""Finds out whether a port is free, and whom to blame if it isn't."""

import errno
import socket

import psutil

from local_stack.errors import PortTakenError

HOST = "127.0.0.1"


def is_taken(port: int) -> bool:
    """Whether somebody listens on `port` of this machine's loopback address."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex((HOST, port)) == 0:
            return True
    with socket.socket() as probe:
        # Connections of an earlier stack that are still closing don't count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def holder(port: int) -> str:
    """Who listens on `port`, as words; empty when this user may not know."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens_there = connection.status == psutil.CONN_LISTEN and tuple(connection.laddr)[1:] == (port,)
            if listens_there and connection.pid:
                process = psutil.Process(connection.pid)
                return f"{process.name()} (process {process.pid} of {process.username()})"
    except psutil.Error:
        return ""
    return ""


def require_free(ports: dict[str, int]) -> None:
    """See that each port is free.

    Parameters
    ----------
    ports : dict of str to int
        What each is for, and its number.

    Raises
    ------
    PortTakenError
        One is taken; the message names it, what it is for and who has it.
    """
    for purpose, port in ports.items():
        if is_taken(port):
            who = holder(port) or "another process"
            raise PortTakenError(
                f"Port {port}, which {purpose} needs, is taken by {who}. Stop that, or shift all ports with"
                " ALPES_PORT_OFFSET (for example ALPES_PORT_OFFSET=1000)."
            )
