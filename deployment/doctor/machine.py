"""Checks of this machine: its Python, its packages, its disk and its ports."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from client import config_file
from deployment.doctor.finding import Finding, ok, problem, skipped, warning
from deployment.doctor.place import Place
from deployment.function_configs import CHECKOUT
from local_stack import broker, postgres, precheck
from local_stack.distribution import require_space
from local_stack.errors import LocalStackError
from local_stack.stack import NEEDED_BYTES

OLDEST, UNTESTED = (3, 11, 2), (3, 14)
"""The oldest Python that does, and the first that nobody has tried."""
LOCKED = CHECKOUT / "requirements" / "app.txt"
PIN = re.compile(r"^([\w.-]+)==([^\s;]+)", re.MULTILINE)
SECRET = re.compile(r"^\s*[\w-]+-dsn\s*=", re.MULTILINE)
ENOUGH_BYTES = 4 * NEEDED_BYTES
INSTALL = f"{Path(sys.prefix) / 'bin' / 'python'} -m pip install --require-hashes -r requirements/app.txt"


def python(_place: Place) -> Iterator[Finding]:
    """Look at the Python that runs this."""
    what = f"{platform.python_implementation()} {platform.python_version()} at {sys.executable}"
    advice = "Remove .venv, name a Python from 3.11 to 3.13 with ALPES_PYTHON, and run ./deploy.sh up."
    if sys.version_info < OLDEST or sys.implementation.name != "cpython":
        yield problem("python", what, advice)
    elif sys.version_info >= UNTESTED:
        yield warning("python", f"{what}, which Alpes is not tested with", advice)
    else:
        yield ok("python", what)


def packages(_place: Place) -> Iterator[Finding]:
    """Compare the installed packages with the locked ones."""
    if not LOCKED.exists():
        yield skipped("packages", f"there is no {LOCKED.name} beside this installation to compare with")
        return
    pins = dict(PIN.findall(LOCKED.read_text(encoding="utf-8")))
    found = {name: _installed(name) for name in pins}
    wrong = [
        f"{name} is {found[name] or 'missing'}, not {version}"
        for name, version in pins.items()
        if found[name] != version
    ]
    if not wrong:
        yield ok("packages", f"all {len(pins)} are those of requirements/{LOCKED.name}")
        return
    more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
    level = problem if None in found.values() else warning
    yield level("packages", f"{'; '.join(wrong[:3])}{more}", f"Install the locked ones: {INSTALL}")


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def settings(place: Place) -> Iterator[Finding]:
    """Say which system is looked at, and whether others can read the file of settings."""
    file = config_file.path()
    if place.mistake:
        yield problem("settings", place.mistake)
    elif file is not None and file.is_file() and file.stat().st_mode & 0o077 and SECRET.search(file.read_text("utf-8")):
        yield warning("settings", f"other users can read {file}, which has a database's DSN", f"chmod 600 {file}")
    elif place.local is not None:
        yield ok("settings", f"the local stack in {place.local.home}")
    else:
        yield ok("settings", f"the cluster at {place.target.service_url} and {place.target.admin_url}")


def disk(place: Place) -> Iterator[Finding]:
    """Look for room where the local stack writes. The disks of a cluster can't be seen from here."""
    if place.local is None:
        yield skipped("disk", "the disks of a cluster can't be seen from here: look at those of bookies and PostgreSQL")
        return
    for folder, variable in ((place.local.home, "ALPES_HOME"), (place.local.cache, "ALPES_CACHE")):
        there = next(each for each in (folder, *folder.parents) if each.exists())
        try:
            require_space(there, NEEDED_BYTES, variable)
        except LocalStackError as error:
            yield problem("disk", str(error))
            return
        try:
            require_space(there, ENOUGH_BYTES, variable)
        except LocalStackError as error:
            yield warning("disk", str(error), "")
            return
    yield ok("disk", f"at least {ENOUGH_BYTES / 1e9:.0f} GB are free for {place.local.home} and {place.local.cache}")


def stack(place: Place) -> Iterator[Finding]:
    """Look whether the local stack runs, and if it doesn't, whether it could be started."""
    if place.local is None:
        return
    pids = {"Pulsar": broker.pid_file(place.local).running(), "PostgreSQL": postgres.pid_file(place.local).running()}
    running = [f"{name} as process {pid}" for name, pid in pids.items() if pid]
    if len(running) == len(pids):
        yield ok("local stack", f"runs in {place.local.home}: {', '.join(running)}")
        return
    stopped = ", ".join(name for name, pid in pids.items() if not pid)
    try:
        precheck.check(place.local)
    except LocalStackError as error:
        yield problem("local stack", f"{stopped} stopped, and can't be started: {error}")
    else:
        yield problem("local stack", f"{stopped} stopped, in {place.local.home}", "Start it: ./deploy.sh up")
