"""Speaks to Pulsar's admin REST API, and says in one line why it does not answer."""

from __future__ import annotations

import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from connection.errors import (
    AdminUnreachableError,
    ForbiddenError,
    NotFoundError,
    PulsarError,
    RefusedError,
    SecurityError,
    UnreachableError,
)
from connection.security import Security, from_environment, who
from connection.workers import COORDINATION, PATHS, addresses, is_elsewhere
from schemas.tienda.topics import ALL, NAMESPACE

TIMEOUT_S = 30.0
PAUSES_S = (0.2, 0.5, 1.0, 2.0)
"""A broker that is taking over a topic answers 5xx, and succeeds a moment later."""
_REDIRECTED = {HTTPStatus.TEMPORARY_REDIRECT, HTTPStatus.PERMANENT_REDIRECT}
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Admin:
    """A client of Pulsar's admin REST API. `pulsar-admin` would start a JVM, which takes seconds per call.

    Every method raises `AdminUnreachableError` if nothing answers as that API does, `RefusedError` if it answers
    with an error, and `SecurityError` if it is about who one of the two is. Answers are parsed JSON; an empty answer is
    None.

    Parameters
    ----------
    url
        Such as `http://127.0.0.1:8080`.
    timeout_s
        How long one answer may take, in seconds.
    pauses_s
        The pauses, in seconds, before each retry of a GET that was answered with a 5xx.
    security
        How to authenticate, and whom to trust; the environment says so by default.

    Raises
    ------
    UnreachableError
        If `url` is no such address.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = TIMEOUT_S,
        pauses_s: Sequence[float] = PAUSES_S,
        security: Security | None = None,
    ) -> None:
        host = _host(url)
        if not host:
            raise UnreachableError(f"{url!r} is no address of Pulsar's admin API, such as http://127.0.0.1:8080.")
        self.url = url.rstrip("/")
        self._is_https = url.startswith("https:")
        self._worker_url = ""
        self._timeout_s = timeout_s
        self._pauses_s = pauses_s
        self._security = security or from_environment()
        # The user's proxy leads to other machines, never to this one.
        proxies = [urllib.request.ProxyHandler({})] if host in _LOOPBACK else []
        self._handlers = [*proxies, _Redirection()]
        self._plain = urllib.request.build_opener(*self._handlers)

    def find(self, path: str) -> Any | None:
        """Return what is at a path; None if nothing is there."""
        try:
            return self.ask(path)
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def get(self, path: str) -> Any:
        """Return what must be at a path.

        Raises
        ------
        NotFoundError
            If there is no such thing.
        """
        answer = self.find(path)
        if answer is None:
            raise NotFoundError(f"Pulsar at {self.url} has no {path}.")
        return answer

    def ask(self, path: str) -> Any:
        """Return what is at a path. If nothing is there, raise `RefusedError` with Pulsar's reason."""
        return self._parsed(self.text(path))

    def text(self, path: str) -> str:
        """Return the answer of a path that answers with plain text."""
        pauses = iter(self._pauses_s)
        while True:
            try:
                return self._send("GET", path)
            except RefusedError as error:
                pause = next(pauses, None)
                if pause is None or error.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                time.sleep(pause)

    def request(self, method: str, path: str, body: object = None) -> Any:
        """Send one request, whatever it is, and return the answer."""
        return self._parsed(self._send(method, path, body))

    def put(self, path: str, body: object = None) -> None:
        """Put `body` at a path."""
        self._send("PUT", path, body)

    def put_form(self, path: str, name: str, value: object) -> None:
        """Put a form of one field, whose value is sent as JSON: the way in which Pulsar takes a function's config."""
        boundary = uuid.uuid4().hex
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Type: application/json'
        form = f"{head}\r\n\r\n{json.dumps(value)}\r\n--{boundary}--\r\n".encode()
        self._answered("PUT", path, form, f"multipart/form-data; boundary={boundary}")

    def post(self, path: str, body: object = None) -> None:
        """Post `body` to a path."""
        self._send("POST", path, body)

    def create(self, path: str, body: object = None) -> bool:
        """Put `body` at a path if nothing is there yet, and return whether nothing was."""
        try:
            self.put(path, body)
        except RefusedError as error:
            if error.code == HTTPStatus.CONFLICT:
                return False
            raise
        return True

    def delete(self, path: str) -> bool:
        """Delete what is at a path, and return whether it was there."""
        try:
            self._send("DELETE", path)
        except RefusedError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    def clock_s(self) -> float:
        """Return the time of the broker's clock, Unix seconds. Its answers have it to the second."""
        _, headers = self._answered("GET", "/admin/v2/clusters")
        if not headers["Date"]:
            raise self.not_pulsar()
        # It is cut, not rounded: half a second more is right on average.
        return parsedate_to_datetime(headers["Date"]).timestamp() + 0.5

    def topics(self) -> list[str]:
        """Return the short names of all of Alpes' topics, with or without partitions, sorted.

        To list a namespace's topics, Pulsar asks for a right to all of them, with which a role could also drop what
        waits in them. For a role without it, the known topics that it may look up are returned.
        """
        root = f"/admin/v2/persistent/{NAMESPACE}"
        try:
            names = self.get(f"{root}/partitioned") + self.get(root)
        except ForbiddenError:
            return sorted(topic for topic in ALL if self.partitions_of(topic))
        return sorted({name.rsplit("/", 1)[-1].partition("-partition-")[0] for name in names})

    @property
    def functions_url(self) -> str:
        """Where a function worker answered last, if this is a broker without one; else this address."""
        return self._worker_url or self.url

    def worker_url(self) -> str:
        """Return where a function worker answers: here, or at an address of its own if this is a broker without one."""
        with suppress(ForbiddenError):
            self.find("/admin/v2/worker/cluster")
        return self.functions_url

    def partitions_of(self, topic: str) -> int:
        """Return how many partitions a topic has; 0 if it has none, doesn't exist, or this role may not look it up."""
        try:
            found = self.find(f"/admin/v2/persistent/{NAMESPACE}/{topic}/partitions") or {}
        except ForbiddenError:
            return 0
        return int(found.get("partitions", 0))

    def not_pulsar(self) -> AdminUnreachableError:
        """Return the error for an answer that isn't the admin API's."""
        return AdminUnreachableError(f"What listens at {self.url} does not answer as Pulsar's admin API.")

    def _send(self, method: str, path: str, body: object = None) -> str:
        return self._answered(method, path, body)[0]

    def _answered(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> tuple[str, Message]:
        """Send one request, to a function worker if only that can answer; return the answer's text and headers."""
        ask = partial(self._asked, method=method, path=path, body=body, content_type=content_type)
        worker = self._worker_url
        if worker and path.startswith(PATHS):
            try:
                return ask(worker)
            except AdminUnreachableError:
                # Another worker may answer, and another thread may have found it.
                if self._worker_url == worker:
                    self._worker_url = ""
        try:
            return ask(self.url)
        except RefusedError as error:
            if not is_elsewhere(path, error):
                raise
            return self._at_a_worker(ask, error)

    def _at_a_worker(self, ask: Callable[[str], tuple[str, Message]], refused: RefusedError) -> tuple[str, Message]:
        unreachable: PulsarError | None = None
        for url in addresses(self.find(COORDINATION) or {}, self.url.partition(":")[0]):
            try:
                answer = ask(url)
            except AdminUnreachableError as error:
                unreachable = error
                continue
            except PulsarError:
                self._worker_url = url
                raise
            self._worker_url = url
            return answer
        if unreachable is not None:
            raise unreachable
        raise RefusedError(
            f"{self.url} is a broker without a function worker, and it knows of none: set PULSAR_ADMIN_URL to the"
            " address of a function worker, or of a proxy whose functionWorkerWebServiceURL names one.",
            refused.code,
            refused.reason,
        )

    def _asked(self, url: str, method: str, path: str, body: object, content_type: str) -> tuple[str, Message]:
        """Send one request to an address. Bytes are sent as they are, all else as JSON."""
        request = urllib.request.Request(  # noqa: S310 - http(s)
            url + path,
            method=method,
            data=body if body is None or isinstance(body, bytes) else json.dumps(body).encode(),
            headers={"Content-Type": content_type, "Accept": "application/json, */*", **self._security.headers()},
        )
        opener = self._secure() if self._is_https else self._plain
        try:
            with opener.open(request, timeout=self._timeout_s) as answer:
                return str(answer.read(), "utf-8"), answer.headers
        except urllib.error.HTTPError as error:
            raise self._refused(method, path, error.code, _reason(error)) from error
        except OSError as error:
            why = getattr(error, "reason", error)
            if isinstance(why, ssl.SSLCertVerificationError):
                raise SecurityError(f"The certificate of {self.url} isn't accepted: {why.verify_message}.") from error
            raise AdminUnreachableError(
                f"No Pulsar admin API at {url} ({getattr(why, 'strerror', None) or why})."
            ) from error
        except (HTTPException, ValueError) as error:
            raise self.not_pulsar() from error

    def _secure(self) -> urllib.request.OpenerDirector:
        # A new one each time: the files of certificates may have changed.
        return urllib.request.build_opener(
            *self._handlers, urllib.request.HTTPSHandler(context=self._security.context())
        )

    def _refused(self, method: str, path: str, code: int, reason: str) -> PulsarError:
        what = path if method == "GET" else f"{method} {path}"
        why = f" ({reason})" if reason else ""
        # Pulsar also answers 401 for what a role may not do, and then says why. Of a token, it says nothing.
        if code == HTTPStatus.UNAUTHORIZED and not reason:
            lapsed = self._security.lapsed()
            return SecurityError(f"Pulsar at {self.url} doesn't accept who we are{f': {lapsed}' if lapsed else ''}.")
        if code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return ForbiddenError(f"{who(self._security.role())} may not {method} {path} at {self.url}{why}.")
        return RefusedError(
            f"Pulsar at {self.url} refused {what}: HTTP {code}{f', {reason}' if reason else ''}.", code, reason
        )

    def _parsed(self, text: str) -> Any:
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise self.not_pulsar() from error


class _Redirection(urllib.request.HTTPRedirectHandler):
    """Follows a redirection with the same request: some things only the leader of the function workers does."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        """Return the next request."""
        if code not in _REDIRECTED:
            return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]
        # Without those that name the first server, such as Host.
        return urllib.request.Request(newurl, req.data, req.headers, method=req.get_method())  # noqa: S310 - http(s)


def _host(url: str) -> str:
    """Return the host of an address; empty if it is no address."""
    try:
        parts = urlsplit(url)
        # Reading the port raises ValueError if it is invalid.
        return (parts.port != 0 and parts.scheme in {"http", "https"} and parts.hostname) or ""
    except ValueError:
        return ""


def _reason(error: urllib.error.HTTPError) -> str:
    """Return Pulsar's reason for an error, in one line; empty if it gives none."""
    try:
        reason = str(json.loads(error.read())["reason"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return ""
    return " ".join(reason.split())[:200].rstrip(".")
