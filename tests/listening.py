"""Looks at what a local stack listens on."""

import ipaddress
import subprocess

import psutil

from local_stack import api, broker, java, postgres
from local_stack.settings import Settings

ZOOKEEPER, STATE_STORE = "ZooKeeper", "the state store"


def beyond_loopback(settings: Settings) -> dict[str, set[int]]:
    """Return the ports at which each part of a stack can be reached from other machines."""
    found: dict[str, set[int]] = {}
    for name, pid in {
        "Pulsar": broker.find(settings),
        "api": api.find(settings),
        "sql": postgres.find(settings),
    }.items():
        assert pid is not None, name
        for process in (root := psutil.Process(pid), *root.children(recursive=True)):
            for connection in process.net_connections("tcp"):
                if connection.status == psutil.CONN_LISTEN and not _is_loopback(connection.laddr.ip):
                    found.setdefault(process.name(), set()).add(connection.laddr.port)
    return found


def _is_loopback(address: str) -> bool:
    # An IPv6 socket shows the loopback address of IPv4 as one of its own.
    return ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback


def listening(settings: Settings) -> int:
    """Return at how many ports the stack listens in all."""
    pids = [pid for pid in (broker.find(settings), api.find(settings), postgres.find(settings)) if pid is not None]
    processes = [each for pid in pids for each in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))]
    return sum(each.status == psutil.CONN_LISTEN for process in processes for each in process.net_connections("tcp"))


def is_served_by_zookeeper(settings: Settings) -> bool:
    """Return whether ZooKeeper tells its tree to somebody who doesn't say who he is."""
    server = f"127.0.0.1:{settings.ports.zookeeper}"
    command = java.command(settings, java.ZOOKEEPER_SHELL, ["-server", server, "-timeout", "30000", "ls", "/admin"])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    refused, served = "failed to authenticate" in said, "policies" in said
    assert refused != served, said
    return served
