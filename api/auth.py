"""Who may use the API: everybody on loopback, and elsewhere those who show a token of a file."""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus
from pathlib import Path

from fastapi import Security
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from api.errors import TokenFileError, UnsafeAddressError
from api.problems import Problem
from api.settings import Settings

LEAST_CHARS = 16
"""Shortest token: a shorter one could be guessed."""


class Tokens:
    """The tokens of a file, one a line; it is read again when it changes.

    Parameters
    ----------
    path
        The file. Empty lines, and those that begin with `#`, are left out.

    Raises
    ------
    TokenFileError
        It can't be read, or has no token, or one that is too short.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._seen()
        self._digests = self._read()

    def accepts(self, token: str) -> bool:
        """Return whether the token is one of the file's. The time that this takes tells nothing about the tokens."""
        self._refresh()
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        # Every token is compared, so that the time doesn't tell which one is near.
        return any([hmac.compare_digest(digest, known) for known in self._digests])  # noqa: C419

    def _refresh(self) -> None:
        try:
            stamp = self._seen()
            if stamp != self._stamp:
                self._digests, self._stamp = self._read(), stamp
        except TokenFileError:
            # Whoever replaces the file may be in the middle of it: the tokens that were valid stay so until then.
            return

    def _seen(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise TokenFileError(f"The file of tokens {self._path} can't be read: {error.strerror}.") from error
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _read(self) -> list[bytes]:
        try:
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "it is not UTF-8"
            raise TokenFileError(f"The file of tokens {self._path} can't be read: {why}.") from error
        tokens = [token for line in lines if (token := line.strip()) and not token.startswith("#")]
        if not tokens or min(map(len, tokens)) < LEAST_CHARS:
            raise TokenFileError(
                f"The file of tokens {self._path} must have a token a line, each of at least {LEAST_CHARS} characters: "
                "openssl rand -hex 32 makes one."
            )
        return [hashlib.sha256(token.encode()).digest() for token in tokens]


def tokens_of(settings: Settings) -> Tokens | None:
    """Return the tokens that callers must show; None if they need none.

    Raises
    ------
    UnsafeAddressError
        Other machines can reach the address, and there is no file of tokens.
    TokenFileError
        See `Tokens`.
    """
    if settings.token_file is not None:
        return Tokens(settings.token_file)
    if not settings.is_loopback:
        raise UnsafeAddressError(
            f"Other machines can reach {settings.host}: name a file of bearer tokens with --token-file, or listen at "
            "127.0.0.1."
        )
    return None


class _TokenWhereAsked(HTTPBearer):
    """Refuses a request that must show a token and doesn't; OpenAPI shows it as a bearer scheme."""

    async def __call__(self, request: HTTPConnection) -> None:
        tokens: Tokens | None = request.app.state.tokens
        if tokens is None:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not tokens.accepts(token.strip()):
            raise Problem(
                HTTPStatus.UNAUTHORIZED,
                "token",
                "This needs a token of the API's file: send the header Authorization: Bearer TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
            )


require_token = _TokenWhereAsked(
    scheme_name="token", description="Not needed on loopback, unless the API has a file of tokens."
)
AUTHORISED = [Security(require_token)]
"""Dependencies of every router but those of health and documentation."""
