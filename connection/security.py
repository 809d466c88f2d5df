"""How a process of ours proves who it is, and whom it trusts: from the environment and Pulsar's `client.conf`."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import pulsar

from alpes_wire import Endpoint, Unauthenticated, authentication_of
from connection import java_properties
from connection.errors import SecurityError
from connection.oauth2 import ClientCredentials, json_object

TOKEN_FILE = "PULSAR_TOKEN_FILE"  # noqa: S105 -- the name of a variable
CA_FILE = "PULSAR_TLS_CA"
CLIENT_CONF = "PULSAR_CLIENT_CONF"
"""Pulsar's own scripts find their `client.conf` by this variable, too."""

TOKEN_PLUGIN = "org.apache.pulsar.client.impl.auth.AuthenticationToken"  # noqa: S105 -- the name of a class

_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
"""What a header can hold (RFC 6750)."""
_NO_TOKEN = "{} doesn't hold a token, which is one line of letters, digits and ._~+/=-"  # noqa: S105 -- a sentence

T = TypeVar("T")
Token = Callable[[], str]


@dataclass(frozen=True)
class Security:
    """How to authenticate, and whom to trust. Nothing of it is ever shown.

    Files are read for each connection, since they may hold something newer by then. Host names are always checked,
    unless ``insecure``.

    Attributes
    ----------
    token : callable or None
        Returns the token; None sends none.
    certificate, key : Path or None
        This process's own certificate and its key, for brokers that ask for one.
    ca : Path or None
        The authorities to trust; None trusts the machine's.
    insecure : bool
        Trust any server (`tlsAllowInsecureConnection`).
    """

    token: Token | None = field(default=None, repr=False)
    certificate: Path | None = None
    key: Path | None = field(default=None, repr=False)
    ca: Path | None = None
    insecure: bool = False

    def context(self) -> ssl.SSLContext:
        """Return what a TLS connection is made with. Raises `SecurityError` if a file can't be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except OSError as error:
            files = " or ".join(str(file) for file in (self.ca, self.certificate, self.key) if file)
            raise SecurityError(f"{files} holds no certificate that can be used: {_cause(error)}.") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def endpoint(self, service_url: str) -> Endpoint:
        """Return where connections of our own go."""
        context = _on_the_wire(self.context)
        if self.token is None:
            return Endpoint(service_url, "tls" if self.certificate else "", tls=context)
        token = _on_the_wire(self.token)
        return Endpoint(service_url, "token", lambda: token().encode(), context)

    def library(self) -> dict[str, Any]:
        """Return the library's arguments for the same."""
        arguments: dict[str, Any] = {
            "tls_trust_certs_file_path": None if self.ca is None else str(self.ca),
            "tls_allow_insecure_connection": self.insecure,
            "tls_validate_hostname": not self.insecure,
        }
        if self.token is not None:
            arguments["authentication"] = pulsar.AuthenticationToken(self.token)
        elif self.certificate is not None:
            arguments["authentication"] = pulsar.AuthenticationTLS(str(self.certificate), str(self.key))
        return arguments

    def headers(self) -> dict[str, str]:
        """Return the headers of a request to the admin API."""
        return {} if self.token is None else {"Authorization": f"Bearer {self.token()}"}

    def role(self) -> str:
        """Return the role that the token names, as Pulsar reads it; empty if it names none."""
        return str(self._claims().get("sub", ""))

    def lapsed(self) -> str:
        """Return when the token expired, as a sentence without its stop; empty if it hasn't: a broker doesn't say."""
        expires_s = self._claims().get("exp")
        if not isinstance(expires_s, int | float) or expires_s > time.time():
            return ""
        return f"the token expired at {dt.datetime.fromtimestamp(expires_s, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"

    def _claims(self) -> dict[str, Any]:
        try:
            text = self.token().split(".")[1] if self.token else ""
            claims = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (LookupError, ValueError, SecurityError):
            return {}
        return claims if isinstance(claims, dict) else {}


def who(role: str) -> str:
    """Return the subject of a sentence about a role."""
    return f"Role {role!r}" if role else "This process"


def from_environment(environ: Mapping[str, str] = os.environ) -> Security:
    """Return what the environment says.

    `PULSAR_TOKEN_FILE` and `PULSAR_TLS_CA` go before the `client.conf` that `PULSAR_CLIENT_CONF` names.

    Raises
    ------
    SecurityError
        A file can't be read, or `client.conf` names an authentication that isn't supported.
    """
    environ = dict(environ)
    conf = _conf(environ)
    ca = conf.get("tlsTrustCertsFilePath", "")
    return Security(
        **_authentication(conf.get("authPlugin", ""), lambda: _conf(environ).get("authParams", "")),
        ca=Path(ca) if ca else None,
        insecure=conf.get("tlsAllowInsecureConnection") == "true",
    )


def client_conf(admin_url: str, environ: Mapping[str, str] = os.environ) -> str:
    """Return a `client.conf` with which `pulsar-admin` connects as we do; empty if the environment says nothing.

    It holds no secret, unless the one that `PULSAR_CLIENT_CONF` names does.

    Raises
    ------
    SecurityError
        That file can't be read.
    """
    conf = _conf(environ)
    if not conf:
        return ""
    conf["webServiceUrl"] = admin_url
    if conf.get("tlsAllowInsecureConnection") != "true":
        conf["tlsEnableHostnameVerification"] = "true"
    return java_properties.written(conf)


def _conf(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of `client.conf`, with what the environment says instead."""
    conf = _client_conf(Path(environ[CLIENT_CONF])) if environ.get(CLIENT_CONF) else {}
    if environ.get(TOKEN_FILE):
        conf |= {"authPlugin": TOKEN_PLUGIN, "authParams": Path(environ[TOKEN_FILE]).absolute().as_uri()}
    if environ.get(CA_FILE):
        conf["tlsTrustCertsFilePath"] = str(Path(environ[CA_FILE]).absolute())
    return conf


def _on_the_wire(read: Callable[[], T]) -> Callable[[], T]:
    """Return the function, for `alpes_wire`, which counts a file that can't be read as a connection that failed."""

    def reading() -> T:
        try:
            return read()
        except SecurityError as error:
            raise Unauthenticated(str(error)) from error

    return reading


def _client_conf(file: Path) -> dict[str, str]:
    """Return the keys of a `client.conf`, as Java reads such files; a key without a value is left out."""
    try:
        return java_properties.read(file.read_bytes())
    except OSError as error:
        raise SecurityError(f"{file}, which {CLIENT_CONF} names, can't be read: {_cause(error)}.") from error
    except ValueError:
        # The error would quote what may be a secret.
        why = "a \\u in it isn't followed by four hexadecimal digits"
        raise SecurityError(f"{file}, which {CLIENT_CONF} names, can't be read: {why}.") from None


def _authentication(plugin: str, parameters: Callable[[], str]) -> dict[str, Any]:
    """Return the attributes of `Security` that a plugin of Pulsar's and its parameters mean.

    Parameters are read again for each token.
    """
    kind = authentication_of(plugin)
    if not kind:
        return {}
    if kind == "token":
        return {"token": lambda: _token(parameters())}
    if kind == "tls":
        files = _parameters(parameters())
        try:
            return {"certificate": Path(files["tlsCertFile"]), "key": Path(files["tlsKeyFile"])}
        except KeyError as error:
            raise SecurityError(f"authParams of client.conf lack {error.args[0]}.") from None
    if kind == "oauth2":
        return {"token": _oauth2(parameters)}
    raise SecurityError(
        f"client.conf has the authPlugin {plugin}, which isn't supported: use a token, a certificate (TLS) or OAuth2."
    )


def _oauth2(parameters: Callable[[], str]) -> Token:
    client = ClientCredentials.read(parameters())

    def token() -> str:
        nonlocal client
        found = ClientCredentials.read(parameters())
        if found != client:
            client = found
        return client.token()

    return token


def _parameters(text: str) -> dict[str, str]:
    """Return the parameters of a plugin: JSON, or pairs such as `tlsCertFile:/cert.pem,tlsKeyFile:/key.pem`."""
    if text.startswith("{"):
        return json_object(text, "authParams of client.conf")
    return dict(part.partition(":")[::2] for part in text.split(","))


def _token(parameters: str) -> str:
    if parameters.startswith("{"):
        parameters = _parameters(parameters).get("token", "")
    if parameters.startswith("file:"):
        file = Path(unquote(urlsplit(parameters).path))
        try:
            return _printable(file.read_text(encoding="ascii").strip(), str(file))
        except OSError as error:
            raise SecurityError(f"The token file {file} can't be read: {_cause(error)}.") from error
        except ValueError:
            raise SecurityError(_NO_TOKEN.format(file)) from None
    return _printable(parameters.removeprefix("token:"), "authParams of client.conf")


def _printable(token: str, where: str) -> str:
    """Return a token, unless a header can't hold it. Raises `SecurityError`, without the token."""
    if not _TOKEN.fullmatch(token):
        raise SecurityError(_NO_TOKEN.format(where))
    return token


def _cause(error: OSError) -> str:
    return error.strerror or str(error)
