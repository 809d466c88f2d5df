"""Settings of the local stack: its folders, its ports and its version of Pulsar."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_stack import tarball
from local_stack.errors import SettingsError
from local_stack.tarball import Tarball

PULSAR_GROUP = "org.apache.pulsar"
PULSAR_ARTIFACT = "pulsar-server-distribution"
PULSAR_VERSION = "4.0.8"
PULSAR_SHA512 = (
    "65b769b10696cdfebf7fc5bcdc95dd663702e27051e616c1a13cb100e91279525be35352171befe7b0011176330aab29bd0a6c8a0f2f0646641a"
    "f46d2e33cbd6"
)
# For a machine of 2 cores and 4 GiB. BookKeeper and the broker's cache share the direct memory.
PULSAR_MEMORY = "-Xms1g -Xmx1g -XX:MaxDirectMemorySize=2g"
LIVENESS_CHECK_MS = 5000
"""Of three such intervals without a check an instance dies: 2000 ended healthy ones while a machine was overloaded."""

CHECKOUT = Path(__file__).resolve().parent.parent
HIGHEST_PORT = 65535
CREDENTIALS = "credentials.json"
"""The file in a stack's folder that holds its passwords and its ports."""


@dataclass(frozen=True)
class Ports:
    """The ports of one stack. Those of ZooKeeper and the state store are on every interface: see docs/security.md.

    Attributes
    ----------
    offset : int
        Added to each port's usual number, so that several stacks can run side by side.
    """

    offset: int = 0

    @property
    def broker(self) -> int:
        """Pulsar's binary protocol."""
        return 6650 + self.offset

    @property
    def http(self) -> int:
        """Pulsar's admin REST API, function worker included."""
        return 8080 + self.offset

    @property
    def zookeeper(self) -> int:
        """Pulsar's metadata store."""
        return 2181 + self.offset

    @property
    def bookie(self) -> int:
        """Pulsar's storage."""
        return 3181 + self.offset

    @property
    def state(self) -> int:
        """The functions' state store."""
        return 4181 + self.offset

    @property
    def postgres(self) -> int:
        """PostgreSQL; far from 5432, which another PostgreSQL may use."""
        return 54320 + self.offset

    @property
    def api(self) -> int:
        """Our own HTTP API."""
        return 8081 + self.offset

    def of_pulsar(self) -> dict[str, int]:
        """Return Pulsar's ports by purpose."""
        return {
            "Pulsar's broker": self.broker,
            "Pulsar's admin REST API": self.http,
            "ZooKeeper": self.zookeeper,
            "BookKeeper": self.bookie,
            "the state store": self.state,
        }

    def all(self) -> dict[str, int]:
        """What the stack listens on, by what for."""
        return {"PostgreSQL": self.postgres, **self.of_pulsar(), "the HTTP API": self.api}


@dataclass(frozen=True)
class Settings:
    """All settings of a local stack that the environment can change.

    Attributes
    ----------
    home : Path
        Data, logs, configuration and secrets of this stack (`ALPES_HOME`).
    cache : Path
        Downloads, shared by all stacks of a user (`ALPES_CACHE`).
    ports : Ports
        The stack's own ports. Before its first start: those of `asked_offset`, or the usual ones.
    version, sha512 : str
        Pulsar's distribution (`ALPES_PULSAR_VERSION`, which needs its `ALPES_PULSAR_SHA512`). An empty SHA-512 isn't
        checked.
    own_tarball : Tarball or None
        A distribution that the user has downloaded (`ALPES_PULSAR_TARBALL`); it is used in place of Maven Central's.
    memory : str
        Options of Pulsar's JVM (`ALPES_PULSAR_MEM`).
    liveness_check_ms : int
        Interval of the worker's health checks. An instance that misses three of them ends itself.
    state_port : int or None
        The port at which functions reach the state store, None for its own. A test sets a proxy's.
    asked_offset : int or None
        `ALPES_PORT_OFFSET`: the next start uses these ports, unless the stack must keep its own. None lets it choose.
    secure : bool
        Whether it was made with `up --secure`: TLS, tokens and roles.
    postgres_bin : str
        The folder of the programs of another PostgreSQL (`ALPES_POSTGRES_BIN`); only a secured stack uses one.
    """

    home: Path
    cache: Path
    ports: Ports
    version: str = PULSAR_VERSION
    sha512: str = PULSAR_SHA512
    memory: str = PULSAR_MEMORY
    liveness_check_ms: int = LIVENESS_CHECK_MS
    state_port: int | None = None
    asked_offset: int | None = None
    own_tarball: Tarball | None = None
    secure: bool = False
    postgres_bin: str = ""

    @property
    def distribution(self) -> Path:
        """Pulsar's unpacked distribution, read-only after that."""
        return self.cache / (self.own_tarball.folder if self.own_tarball else f"apache-pulsar-{self.version}")

    @property
    def logs(self) -> Path:
        """Logs of the broker and of PostgreSQL."""
        return self.home / "logs"

    @property
    def function_logs(self) -> Path:
        """Logs of function instances: `<tenant>/<namespace>/<name>/<name>-<instance>.log`."""
        return self.logs / "functions"

    @property
    def pulsar_admin(self) -> Path:
        """Pulsar's CLI for this stack, which needs no installed Java."""
        return self.home / "bin" / "pulsar-admin"

    @property
    def service_url(self) -> str:
        """PULSAR_SERVICE_URL."""
        return f"pulsar{'+ssl' if self.secure else ''}://127.0.0.1:{self.ports.broker}"

    @property
    def admin_url(self) -> str:
        """PULSAR_ADMIN_URL."""
        return f"http{'s' if self.secure else ''}://127.0.0.1:{self.ports.http}"

    @property
    def api_url(self) -> str:
        """ALPES_API_URL."""
        return f"http://127.0.0.1:{self.ports.api}"


def noted_offset(home: Path) -> int | None:
    """Return the port offset of the stack in `home`, None where there is no stack."""
    noted = _noted(home).get("port_offset")
    return noted if isinstance(noted, int) else None


def _noted(home: Path) -> Mapping[str, object]:
    """Return what the stack in `home` was set up with; empty where there is no stack."""
    try:
        noted = json.loads((home / CREDENTIALS).read_text())
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from environment variables.

    Raises
    ------
    SettingsError
        A variable is invalid.
    """
    home = _folder(environ.get("ALPES_HOME") or str(CHECKOUT / ".alpes"), "ALPES_HOME")
    user_cache = environ.get("XDG_CACHE_HOME") or "~/.cache"
    cache = _folder(environ.get("ALPES_CACHE") or f"{user_cache}/alpes", "ALPES_CACHE")
    asked = _asked_offset(environ.get("ALPES_PORT_OFFSET") or "")
    noted = noted_offset(home)
    own = tarball.read(environ[tarball.VARIABLE]) if environ.get(tarball.VARIABLE) else None
    version = own.version if own else environ.get("ALPES_PULSAR_VERSION") or PULSAR_VERSION
    sha512 = environ.get("ALPES_PULSAR_SHA512") or ("" if own or version != PULSAR_VERSION else PULSAR_SHA512)
    if not sha512 and not own:
        raise SettingsError(
            f"ALPES_PULSAR_VERSION is {version}: set ALPES_PULSAR_SHA512 to the SHA-512 of that version's tar.gz, too."
        )
    return Settings(
        home=home,
        cache=cache,
        ports=Ports(noted if noted is not None else asked or 0),
        version=version,
        sha512=sha512.lower(),
        memory=environ.get("ALPES_PULSAR_MEM") or PULSAR_MEMORY,
        asked_offset=asked,
        own_tarball=own,
        secure=_noted(home).get("secure") is True,
        postgres_bin=environ.get("ALPES_POSTGRES_BIN") or "",
    )


def _asked_offset(text: str) -> int | None:
    if not text:
        return None
    highest = max(Ports().all().values())
    if not text.isdecimal() or int(text) + highest > HIGHEST_PORT:
        raise SettingsError(
            f"ALPES_PORT_OFFSET is {text!r}; it must be a whole number from 0 to {HIGHEST_PORT - highest}."
        )
    return int(text)


def _folder(text: str, variable: str) -> Path:
    try:
        folder = Path(text).expanduser().absolute()
        str(folder).encode()
    except RuntimeError:
        raise SettingsError(f"{text} can't be found, since HOME is not set: set HOME, or {variable}.") from None
    except UnicodeEncodeError:
        raise SettingsError(f"The name of {text!r} is not UTF-8: choose another folder with {variable}.") from None
    # Colons separate the paths of a class path, and line breaks the entries of a configuration file.
    if ":" in str(folder) or not str(folder).isprintable():
        raise SettingsError(
            f"Java can't use a folder whose name has a colon or a control character, as {str(folder)!r} has:"
            f" choose another with {variable}."
        )
    return folder
