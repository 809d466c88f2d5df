"""The registry of settings: what the environment can change, under which names, with which defaults.

Options, `alpes config`, the file and the documents take names, defaults and texts from here. It needs the standard
library alone.
"""

from __future__ import annotations

from dataclasses import dataclass

SYSTEM, CONNECTIONS, STACK, COMMAND_LINES = "the system", "connections", "the local stack", "command lines"
"""What a setting is about. Those of the system are options of `alpes` and keys of its file, too."""


@dataclass(frozen=True)
class Setting:
    """A setting.

    Attributes
    ----------
    variable : str
        Its environment variable.
    about : str
        `SYSTEM`, `CONNECTIONS`, `STACK` or `COMMAND_LINES`.
    help : str
        What it is.
    default : str
        Its value if nobody sets it, or words for it. Empty if there is none.
    """

    variable: str
    about: str
    help: str
    default: str = ""

    @property
    def key(self) -> str:
        """The name of its option, and of its key in the file, such as `service-url`; only for `SYSTEM`."""
        name = self.variable.removeprefix("PULSAR_").removeprefix("ALPES_")
        return name.lower().replace("_", "-")


def dsn(service: str) -> Setting:
    """Return the setting that names a service's database."""
    return Setting(f"ALPES_{service.upper()}_DSN", SYSTEM, f"Database of {service.capitalize()}.")


SERVICE_URL = Setting("PULSAR_SERVICE_URL", SYSTEM, "Address of the Pulsar broker.", "pulsar://127.0.0.1:6650")
ADMIN_URL = Setting("PULSAR_ADMIN_URL", SYSTEM, "Address of Pulsar's admin API.", "http://127.0.0.1:8080")
OF_SYSTEM = (SERVICE_URL, ADMIN_URL, dsn("ordenes"), dsn("pagos"), dsn("reporting"))
"""Where the system is. A service of your own adds its DSN, as its function config names it."""
CONFIG_FILE = Setting(
    "ALPES_CONFIG",
    COMMAND_LINES,
    "The file of `alpes`.",
    "alpes/config.toml in the folder of XDG_CONFIG_HOME, which is ~/.config",
)
SETTINGS = (
    *OF_SYSTEM,
    Setting("PULSAR_TOKEN_FILE", CONNECTIONS, "The file with the token for Pulsar.", "no token"),
    Setting("PULSAR_TLS_CA", CONNECTIONS, "The authorities that may sign Pulsar's certificates.", "the machine's"),
    Setting("PULSAR_CLIENT_CONF", CONNECTIONS, "Pulsar's client.conf, for what these two don't say.", "none"),
    Setting("PULSAR_ADMIN", STACK, "The program pulsar-admin.", "the local stack's own, or the PATH's"),
    Setting("ALPES_HOME", STACK, "Data, logs and secrets of the local stack.", ".alpes in the checkout"),
    Setting("ALPES_CACHE", STACK, "Downloads.", "~/.cache/alpes"),
    Setting("ALPES_PORT_OFFSET", STACK, "Added to every port.", "chosen at the first start"),
    Setting("ALPES_POSTGRES_BIN", STACK, "A PostgreSQL with TLS, for up --secure: its programs.", "Debian's"),
    Setting("ALPES_PULSAR_VERSION", STACK, "Pulsar's version.", "the pinned one"),
    Setting("ALPES_PULSAR_SHA512", STACK, "SHA-512 of that version's tar.gz.", "the pinned one's"),
    Setting("ALPES_PULSAR_TARBALL", STACK, "A distribution of Pulsar that you have downloaded.", "Maven Central's"),
    Setting("ALPES_PULSAR_MEM", STACK, "Memory options of Pulsar's JVM.", "for 2 cores and 4 GiB"),
    Setting("ALPES_ORDERS", STACK, "How many orders ./deploy.sh sends.", "100"),
    Setting("ALPES_PYTHON", STACK, "The Python that makes .venv/.", "the first on the PATH, or a much faster one"),
    Setting("ALPES_VENV", STACK, "The environment with the packages.", ".venv in the checkout"),
    CONFIG_FILE,
    Setting("TZ", COMMAND_LINES, "Time zone of what is shown, by its IANA name.", "this machine's"),
    Setting("NO_COLOR", COMMAND_LINES, "If it isn't empty, output has no colour.", "colour on a terminal"),
)
"""All of them, in the order in which they are shown."""
