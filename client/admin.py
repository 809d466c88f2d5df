"""Asks Pulsar's admin REST API, and says in one line why it does not answer."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from client.errors import ClientError, NotDeployedError, UnreachableError
from client.topics import NAMESPACE

TIMEOUT_SECONDS = 30.0
AGAIN_AFTER_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""A broker that is just taking a topic over answers 5xx, and a moment later answers."""
ADVICE = "Start it with ./deploy.sh up, or name another address with --admin-url or PULSAR_ADMIN_URL."
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Admin:
    """Pulsar's admin REST API.

    Parameters
    ----------
    url
        Such as `http://127.0.0.1:8080`.

    Raises
    ------
    UnreachableError
        If `url` is no such address.
    """

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
            raise UnreachableError(f"{url!r} is no address of Pulsar's admin API: it looks like http://127.0.0.1:8080.")
        self._url = url.rstrip("/")
        # A proxy of the user's leads out, never to this machine.
        proxies = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in _LOOPBACK else []
        self._opener = urllib.request.build_opener(*proxies)

    def find(self, path: str) -> Any | None:
        """Ask for a path.

        Returns
        -------
        object or None
            The parsed answer; None where there is no such thing.

        Raises
        ------
        UnreachableError
            If nothing there answers as Pulsar's admin API does.
        ClientError
            If it refuses.
        """
        pauses = iter(AGAIN_AFTER_SECONDS)
        while True:
            try:
                return self._ask(path)
            except urllib.error.HTTPError as problem:
                if problem.code == HTTPStatus.NOT_FOUND:
                    return None
                pause = next(pauses, None)
                if pause is None or problem.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    reason = " ".join(reason_of(_body(problem)).split())[:200].rstrip(".")
                    why = f", {reason}" if reason else ""
                    raise ClientError(f"Pulsar at {self._url} refused {path}: HTTP {problem.code}{why}.") from problem
                time.sleep(pause)

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(self._url + path, headers={"Accept": "application/json"})  # noqa: S310 - http(s)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                body = answer.read()
        except urllib.error.HTTPError:
            raise
        except (urllib.error.URLError, OSError) as problem:
            reason = getattr(problem, "reason", problem)
            raise UnreachableError(
                f"No Pulsar admin API at {self._url} ({getattr(reason, 'strerror', None) or reason}). {ADVICE}"
            ) from problem
        try:
            return json.loads(body)
        except ValueError as problem:
            raise UnreachableError(
                f"What listens at {self._url} does not answer as Pulsar's admin API. {ADVICE}"
            ) from problem

    def get(self, path: str) -> Any:
        """Ask for something that must be there; see `find`.

        Raises
        ------
        NotDeployedError
            If there is no such thing.
        """
        answer = self.find(path)
        if answer is None:
            raise NotDeployedError(f"Pulsar at {self._url} has no {path}. Deploy Alpes with ./deploy.sh deploy.")
        return answer

    def topics(self) -> list[str]:
        """Give the short names of all partitioned topics of Alpes, sorted."""
        names = self.get(f"/admin/v2/persistent/{NAMESPACE}/partitioned")
        return sorted(name.rsplit("/", 1)[-1] for name in names)


def reason_of(body: bytes) -> str:
    """Give what Pulsar's admin API says of an error; empty where it says nothing."""
    try:
        return str(json.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def _body(problem: urllib.error.HTTPError) -> bytes:
    try:
        return problem.read()
    except OSError:
        return b""
