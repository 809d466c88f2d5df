"""Where Pulsar is and how to authenticate. Credentials are never shown."""

import itertools
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import WireError

PORTS = {"pulsar": 6650, "pulsar+ssl": 6651}


@dataclass(frozen=True)
class Endpoint:
    """How to connect.

    Attributes
    ----------
    service_url
        Such as ``pulsar://127.0.0.1:6650``; several brokers are separated by commas.
    auth_method
        Pulsar's name of the authentication method, empty for none.
    auth_data
        Returns the credentials. It is called for each connection, since a file may hold newer ones by then.
    tls
        Returns the context for ``pulsar+ssl``; called for each connection, too. By default, the machine's certificate
        authorities are trusted.
    """

    service_url: str
    auth_method: str = ""
    auth_data: Callable[[], bytes] = field(default=bytes, repr=False)
    tls: Callable[[], ssl.SSLContext] = field(default=ssl.create_default_context, repr=False)

    def addresses(self, url: str = "") -> list[tuple[str, int, bool]]:
        """Return host, port and whether to use TLS for each broker in ``url``, or in the service URL if it is empty.

        Raises
        ------
        WireError
            The URL isn't the address of a broker.
        """
        url = url or self.service_url
        scheme, _, hosts = url.partition("://")
        found = []
        for host in hosts.rstrip("/").split(","):
            try:
                parts = urlsplit(f"//{host}")
                usual = PORTS[scheme]
                found.append((parts.hostname or "", parts.port or usual, scheme == "pulsar+ssl"))
            except (KeyError, ValueError):
                found.append(("", 0, False))
        if not all(host for host, _, _ in found):
            raise WireError(f"{url!r} is no address of a Pulsar broker: it looks like pulsar://127.0.0.1:6650")
        return found


def options_of(arguments: Sequence[str]) -> Callable[[str], str]:
    """Return what looks an option up in a function instance's command line; an absent one is empty."""
    options = dict(itertools.pairwise(arguments))
    return lambda name: options.get(f"--{name}", "").strip("'\"")


def endpoint_of(arguments: Sequence[str], own_token: Callable[[], bytes] | None = None) -> Endpoint | None:
    """Return the endpoint in a function instance's command line, as Pulsar's worker writes it.

    Return None where it names no broker, or an authentication other than ``token`` and ``tls``.

    Parameters
    ----------
    arguments
        The command line.
    own_token
        Returns the function's own token, which goes before the worker's credentials; None without one.
    """
    option = options_of(arguments)
    url = option("pulsar_serviceurl")
    plugin, parameters = option("client_auth_plugin"), option("client_auth_params")
    if url.partition("://")[0] not in PORTS:
        return None
    if own_token is not None:
        return Endpoint(url, "token", own_token, _tls(option))
    kind = authentication_of(plugin) if parameters else ""
    if kind == "token":
        return Endpoint(url, "token", _token(parameters), _tls(option))
    if kind == "tls":
        files = dict(part.partition(":")[::2] for part in parameters.split(","))
        return Endpoint(url, "tls", tls=_tls(option, files.get("tlsCertFile", ""), files.get("tlsKeyFile", "")))
    if kind:
        return None
    return Endpoint(url, tls=_tls(option)) if url.startswith("pulsar+ssl") else Endpoint(url)


def authentication_of(plugin: str) -> str:
    """Return what a plugin's name means, such as ``token``: the last part of a Java class, or that word alone."""
    return plugin.rsplit(".", 1)[-1].removeprefix("Authentication").lower()


def _token(parameters: str) -> Callable[[], bytes]:
    if parameters.startswith("file:"):
        path = Path("/" + parameters.removeprefix("file:").lstrip("/"))
        return lambda: path.read_bytes().strip()
    token = parameters.removeprefix("token:").encode()
    return lambda: token


def _tls(option: Callable[[str], str], certificate: str = "", key: str = "") -> Callable[[], ssl.SSLContext]:
    def context() -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=option("tls_trust_cert_path") or None)
        made.check_hostname = option("hostname_verification_enabled") == "true"
        if option("tls_allow_insecure_connection") == "true":
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if certificate:
            made.load_cert_chain(certificate, key or None)
        return made

    return context
