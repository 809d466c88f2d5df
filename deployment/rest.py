"""A small client of Pulsar's admin REST API: its CLI starts a JVM, which costs seconds a call."""

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from deployment.errors import AdminApiError, UnreachableError

TIMEOUT_SECONDS = 30.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
NOT_FOUND = 404
CONFLICT = 409


class AdminApi:
    """Pulsar's admin REST API.

    Parameters
    ----------
    url : str
        Its address, such as ``http://127.0.0.1:8080``.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        # A proxy of the user's leads out, never to this machine.
        proxies = [urllib.request.ProxyHandler({})] if urlsplit(url).hostname in LOOPBACK else []
        self._opener = urllib.request.build_opener(*proxies)

    def request(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Send one request.

        Parameters
        ----------
        method, path : str
            Such as ``GET`` and ``/admin/v2/clusters``.
        body : object, optional
            Sent as JSON.

        Returns
        -------
        tuple of int and object
            The HTTP status and the answer: parsed where it is JSON, else text.

        Raises
        ------
        UnreachableError
            Nobody answers.
        """
        request = urllib.request.Request(  # noqa: S310 - the address is the user's own
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                return response.status, _parsed(response.read())
        except urllib.error.HTTPError as error:
            return error.code, _parsed(error.read())
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            raise UnreachableError(
                f"Pulsar's admin API does not answer at {self.url} ({reason}). Start the local stack with"
                " ./deploy.sh up, or correct PULSAR_ADMIN_URL."
            ) from error

    def get(self, path: str) -> Any:
        """Ask for `path`; an answer other than success is an error."""
        return self._demand("GET", path)

    def find(self, path: str) -> Any | None:
        """Ask for `path`; None where there is none."""
        status, answer = self.request("GET", path)
        if status == NOT_FOUND:
            return None
        return self._checked("GET", path, status, answer)

    def put(self, path: str, body: object) -> None:
        """Put `body` at `path`."""
        self._demand("PUT", path, body)

    def post(self, path: str, body: object) -> None:
        """Post `body` to `path`."""
        self._demand("POST", path, body)

    def create(self, path: str, body: object) -> bool:
        """Put what isn't there yet; returns whether it was missing."""
        status, answer = self.request("PUT", path, body)
        if status == CONFLICT:
            return False
        self._checked("PUT", path, status, answer)
        return True

    def delete(self, path: str) -> None:
        """Delete `path`; what is not there is fine."""
        status, answer = self.request("DELETE", path)
        if status != NOT_FOUND:
            self._checked("DELETE", path, status, answer)

    def _demand(self, method: str, path: str, body: object = None) -> Any:
        return self._checked(method, path, *self.request(method, path, body))

    def _checked(self, method: str, path: str, status: int, answer: Any) -> Any:
        if status // 100 != 2:
            reason = answer.get("reason", answer) if isinstance(answer, dict) else answer
            raise AdminApiError(f"Pulsar refused {method} {path} with {status}: {reason}")
        return answer


def _parsed(body: bytes) -> Any:
    text = body.decode(errors="replace")
    try:
        return json.loads(text)
    except ValueError:
        return text
