"""Gets tokens by OAuth 2's client credentials, from the parameters of Pulsar's own OAuth2 plugin."""

from __future__ import annotations

import json
import threading
import time
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connection.errors import SecurityError

TIMEOUT_S = 10.0
AHEAD_S = 60.0
"""A token is replaced so long before it expires."""


@dataclass
class ClientCredentials:
    """A client of an authorization server.

    Parameters
    ----------
    issuer : str
        The server's address; it says by itself where tokens are to be had.
    client_id, client_secret : str
        Who the client is.
    audience, scope : str
        What the token is for; empty for the server's default.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    audience: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._token = ""
        self._until = 0.0

    @classmethod
    def read(cls, parameters: str) -> ClientCredentials:
        """Return the client that the plugin's parameters mean, whose key file is read now.

        Raises
        ------
        SecurityError
            Something is missing or can't be read.
        """
        given = json_object(parameters, "The authParams of OAuth2")
        # Java's plugin calls them privateKey and issuerUrl, the C++ library's private_key and issuer_url.
        file = given.get("privateKey") or given.get("private_key")
        key = json_object(_read(file), "The key file of OAuth2's authParams") if file else given
        try:
            issuer = given.get("issuerUrl") or given.get("issuer_url") or key.get("issuer_url") or given["issuerUrl"]
            return cls(
                issuer, key["client_id"], key["client_secret"], given.get("audience", ""), given.get("scope", "")
            )
        except KeyError as error:
            raise SecurityError(f"The authParams of OAuth2 lack {error.args[0]}.") from None

    def token(self) -> str:
        """Return a token that is still valid for a while. Raises `SecurityError` if the server gives none."""
        with self._lock:
            if time.monotonic() > self._until - AHEAD_S:
                self._token, valid_s = self._asked()
                self._until = time.monotonic() + valid_s
            return self._token

    def _asked(self) -> tuple[str, float]:
        """Return a new token, and how long it is valid, in seconds."""
        wanted = {"grant_type": "client_credentials", "client_id": self.client_id, "client_secret": self.client_secret}
        wanted |= {name: value for name, value in (("audience", self.audience), ("scope", self.scope)) if value}
        try:
            about = self._answer(self.issuer.rstrip("/") + "/.well-known/openid-configuration", None)
            answer = self._answer(about["token_endpoint"], urllib.parse.urlencode(wanted).encode())
            if not answer["access_token"]:
                raise ValueError("an empty one came")
            return answer["access_token"], float(answer.get("expires_in", 3600))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SecurityError(f"{self.issuer} gave no token to {self.client_id}: {error}.") from error

    def _answer(self, url: str, body: bytes | None) -> Any:
        with urllib.request.urlopen(url, body, TIMEOUT_S) as answer:  # noqa: S310 -- the address of a user's server
            return json.loads(answer.read())


def json_object(text: str | bytes, what: str) -> dict[str, str]:
    """Return a JSON object's members. Raises `SecurityError`, which says nothing of the text: it may hold a secret."""
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise SecurityError(f"{what} can't be read: it is no JSON object.")
    return {str(name): str(value) for name, value in members.items() if value is not None}


def _read(url: str) -> bytes:
    """Return what a key's URL holds (`file:` or `data:`), or a file's path."""
    try:
        if urllib.parse.urlsplit(url).scheme in ("file", "data"):
            with urllib.request.urlopen(url) as key:  # noqa: S310 -- no other scheme comes here
                found: bytes = key.read()
                return found
        return Path(url).read_bytes()
    except (OSError, ValueError) as error:
        # Its text may hold the key.
        reason = getattr(error, "reason", error)
        why = getattr(reason, "strerror", None) or type(reason).__name__
        raise SecurityError(f"The key file of OAuth2's authParams can't be read: {why}.") from None
