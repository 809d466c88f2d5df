"""Finds the programs of a PostgreSQL that has TLS: the wheel's was built without."""

import re
import subprocess
from pathlib import Path

from local_stack.errors import StartError

DEBIAN = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 14
REQUEST_S = 20.0
TLS_LIBRARY = b"OpenSSL"
"""A server that has TLS names its library in its program."""
ADVICE = "install one (apt-get install postgresql), or name the folder of its programs with ALPES_POSTGRES_BIN"


def with_tls(named: str, data: Path, debian: Path = DEBIAN) -> Path:
    """Return the folder of the programs of a PostgreSQL that has TLS and can use the data.

    Parameters
    ----------
    named
        The folder that the user names; empty for the newest of Debian's.
    data
        The data folder. Only a PostgreSQL of the same major version can use what is there.
    debian
        Where Debian has its PostgreSQL.

    Raises
    ------
    StartError
        There is none.
    """
    wanted = _version_of(data)
    if named:
        folder = Path(named).absolute()
        found = _major(folder)
        if found is None:
            raise StartError(f"ALPES_POSTGRES_BIN is {named}, which has no PostgreSQL from {OLDEST_MAJOR} on in it.")
        if not _has_tls(folder):
            raise StartError(f"The PostgreSQL in {named} was built without TLS: {ADVICE}.")
        if wanted not in {None, found}:
            raise StartError(f"ALPES_POSTGRES_BIN is PostgreSQL {found}, and the data are of {wanted}: name that one.")
        return folder
    candidates = {_major(folder): folder for folder in debian.glob("*/bin") if _has_tls(folder)}
    usable = {major: folder for major, folder in candidates.items() if major and wanted in {None, major}}
    if not usable:
        which = f"PostgreSQL {wanted}, which the data need," if wanted else f"PostgreSQL from {OLDEST_MAJOR} on"
        raise StartError(f"--secure needs {which} with TLS, and the wheel's has none: {ADVICE}.")
    return usable[max(usable)]


def _version_of(data: Path) -> int | None:
    try:
        return int((data / "PG_VERSION").read_text())
    except (OSError, ValueError):
        return None


def _major(folder: Path) -> int | None:
    try:
        command = [str(folder / "postgres"), "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=REQUEST_S, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"\) (\d+)", said)
    return int(found[1]) if found and int(found[1]) >= OLDEST_MAJOR else None


def _has_tls(folder: Path) -> bool:
    try:
        return TLS_LIBRARY in (folder / "postgres").read_bytes()
    except OSError:
        return False
