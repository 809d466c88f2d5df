"""Knows a Pulsar distribution that the user has downloaded: its version, and a name that tells it from another one."""

import hashlib
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from local_stack.errors import SettingsError

VARIABLE = "ALPES_PULSAR_TARBALL"
_TOP = re.compile(r"(?:\./)?apache-pulsar-(?P<version>\d+\.\d+\.\d+[\w.-]*)(?:/|$)")


@dataclass(frozen=True)
class Tarball:
    """A Pulsar distribution in a file of the user's.

    Attributes
    ----------
    path : Path
        The file.
    version : str
        Pulsar's version, as the archive's outermost folder says.
    """

    path: Path
    version: str

    @property
    def folder(self) -> str:
        """The name of its folder in the cache. A file that was replaced has another one."""
        file = self.path.stat()
        identity = f"{self.path} {file.st_size} {file.st_mtime_ns}"
        return f"apache-pulsar-{self.version}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def read(text: str) -> Tarball:
    """Return the distribution in a file.

    Raises
    ------
    SettingsError
        There is no such file, or it is no distribution of Pulsar.
    """
    path = Path(text).expanduser().absolute()
    try:
        with tarfile.open(path) as archive:
            first = archive.next()
    except FileNotFoundError:
        raise SettingsError(
            f"{VARIABLE} names {path}, which isn't there: name the file, or unset the variable."
        ) from None
    except (OSError, tarfile.TarError, EOFError) as error:
        raise SettingsError(f"{VARIABLE} names {path}, which can't be read as a tar archive.") from error
    found = _TOP.match(first.name) if first else None
    if found is None:
        raise SettingsError(
            f"{VARIABLE} names {path}, which is no distribution of Pulsar: it would begin with a folder"
            " apache-pulsar-VERSION. Take the file apache-pulsar-VERSION-bin.tar.gz."
        )
    return Tarball(path, found["version"])
