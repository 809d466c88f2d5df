"""Asks Pulsar's admin REST API, and says in one line why it does not answer."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

from connection.errors import NotDeployedError, UnreachableError
from schemas.tienda.topics import NAMESPACE
from terminal.errors import CommandError

TIMEOUT_SECONDS = 30.0
AGAIN_AFTER_SECONDS = (0.2, 0.5, 1.0, 2.0)
"""A broker that is just taking a topic over answers 5xx, and a moment later answers."""
ADVICE = "Start it with ./deploy.sh up, or name another address with --admin-url or PULSAR_ADMIN_URL."
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class RefusedError(CommandError):
    """Pulsar's admin API answers with an error.

    Attributes
    ----------
    code : int
        HTTP's.
    reason : str
        Pulsar's, in one line; empty where it gives none.
    """

    def __init__(self, url: str, path: str, code: int, reason: str) -> None:
        super().__init__(f"Pulsar at {url} refused {path}: HTTP {code}{f', {reason}' if reason else ''}.")
        self.code = code
        self.reason = reason


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
        host = _host(url)
        if not host:
            raise UnreachableError(f"{url!r} is no address of Pulsar's admin API: it looks like http://127.0.0.1:8080.")
        self.url = url.rstrip("/")
        # A proxy of the user's leads out, never to this machine.
        proxies = [urllib.request.ProxyHandler({})] if host in _LOOPBACK else []
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
        RefusedError
            If it refuses.
        """
        try:
            return self.ask(path)
        except RefusedError as problem:
            if problem.code == HTTPStatus.NOT_FOUND:
                return None
            raise

    def ask(self, path: str) -> Any:
        """Ask for a path; see `find`. That there is no such thing is a refusal like others, with Pulsar's reason."""
        pauses = iter(AGAIN_AFTER_SECONDS)
        while True:
            try:
                return self._ask(path)
            except RefusedError as problem:
                pause = next(pauses, None)
                if pause is None or problem.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                    raise
                time.sleep(pause)

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(self.url + path, headers={"Accept": "application/json"})  # noqa: S310 - http(s)
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as problem:
            raise RefusedError(self.url, path, problem.code, _reason(problem)) from problem
        except OSError as problem:
            reason = getattr(problem, "reason", problem)
            raise UnreachableError(
                f"No Pulsar admin API at {self.url} ({getattr(reason, 'strerror', None) or reason}). {ADVICE}"
            ) from problem
        except (HTTPException, ValueError) as problem:
            raise UnreachableError(self.not_pulsar()) from problem

    def not_pulsar(self) -> str:
        """Say that what answers is something else."""
        return f"What listens at {self.url} does not answer as Pulsar's admin API. {ADVICE}"

    def get(self, path: str) -> Any:
        """Ask for something that must be there; see `find`.

        Raises
        ------
        NotDeployedError
            If there is no such thing.
        """
        answer = self.find(path)
        if answer is None:
            raise NotDeployedError(f"Pulsar at {self.url} has no {path}. Deploy Alpes with ./deploy.sh deploy.")
        return answer

    def topics(self) -> list[str]:
        """Give the short names of all topics of Alpes, sorted, whether they have partitions or came back without."""
        root = f"/admin/v2/persistent/{NAMESPACE}"
        names = self.get(f"{root}/partitioned") + self.get(root)
        return sorted({name.rsplit("/", 1)[-1].partition("-partition-")[0] for name in names})


def _host(url: str) -> str:
    """Give the host of an address, empty where it is none."""
    try:
        parts = urlsplit(url)
        # Asked for because a port that is none is noticed only then.
        return (parts.port != 0 and parts.scheme in {"http", "https"} and parts.hostname) or ""
    except ValueError:
        return ""


def _reason(problem: urllib.error.HTTPError) -> str:
    """Give what Pulsar says of an error, in one line; empty where it says nothing."""
    try:
        reason = str(json.loads(problem.read())["reason"])
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return ""
    return " ".join(reason.split())[:200].rstrip(".")
