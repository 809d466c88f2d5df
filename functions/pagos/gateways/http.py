"""A payment gateway behind HTTP.

``POST /charges`` and ``POST /refunds`` with JSON and an ``Idempotency-Key``, as payment providers commonly have it:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. The key of a charge is the order's id and
that of a refund ``reembolso:<order id>``: a call that is made again, by this instance or the next, is the same charge.
No order id has a colon, so no charge has the key of a refund. ``amount_cents`` is a whole number of the currency's
minor unit by ISO 4217: 500 for 500 JPY, 1234 for 12.34 USD, 1255 for 1.255 KWD.

What an answer means:

| answer | means |
|---|---|
| 200, 201 with a ``status`` | what the status says |
| the same with a name that comes twice | not known: it is unclear which value is meant |
| the same with another ``order_id``, ``amount_cents`` or ``currency`` | not known: the answer is another call's |
| 402 | declined |
| 400, 422 | the gateway refuses the request: a person has to look |
| 408, 425, 429, 5xx, no answer | not known; tried again with growing pauses, then put off |
| anything else (409: still in progress; 401, 403, 404, a redirect, no JSON: wrong setup) | not known |
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from alpes_runtime import Rejected, Retry
from functions.pagos.domain import Cobro, Reembolso
from schemas.tienda.orden import APROBADA, RECHAZADA

from .bounded import MAX_ANSWER_BYTES, BoundedPoolManager
from .options import GatewayOptions

TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
BACKOFF_S = 0.1
"""The second try follows at once, the third after twice this. Each further pause doubles and gets a random part."""
LONGEST_PAUSE_S = 5.0
REFUND = "reembolso:"
"""Prefix of a refund's key. No charge's key has it, since no order id has a colon."""
STATUSES = {"approved": APROBADA, "declined": RECHAZADA}
REPEATED = ("order_id", "amount_cents", "currency")
"""Members of a request that its answer may repeat."""
MAX_SHOWN_CHARS = 200


@dataclass(frozen=True)
class _Try:
    """The outcome of one try: an answer with its body, or the error that took its place."""

    response: urllib3.BaseHTTPResponse | None = None
    data: bytes = b""
    error: HTTPError | None = None

    @property
    def status(self) -> int:
        """The answer's status, 0 without an answer."""
        return self.response.status if self.response else 0


class HttpGateway:
    """Asks over HTTP; see `Gateway`."""

    def __init__(self, options: GatewayOptions) -> None:
        self.at_once = options.at_once
        self._url = options.url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if options.token:
            self._headers["Authorization"] = f"Bearer {options.token}"
        self._tries = options.tries
        self._timeout_s = options.timeout_s
        # This only computes the pauses. urllib3 doesn't retry itself: it would first read a refusal to its end.
        self._pauses = urllib3.Retry(
            total=None,
            backoff_factor=BACKOFF_S,
            backoff_max=LONGEST_PAUSE_S,
            backoff_jitter=BACKOFF_S,
            retry_after_max=int(LONGEST_PAUSE_S),
            allowed_methods=None,  # every call carries its key, so any may be made again
        )
        # Charges and refunds run in separate threads, `at_once` of each.
        self._http = BoundedPoolManager(2 * options.at_once, options.timeout_s)

    def charge(self, cobro: Cobro) -> str | Retry | Rejected:
        """Charge an order; see `Gateway.charge`."""
        body = {"order_id": cobro.order_id, "amount_cents": cobro.amount_cents, "currency": cobro.currency}
        answer = self._call("charges", cobro.order_id, body, cobro.traceparent)
        if isinstance(answer, dict):
            status = STATUSES.get(str(answer.get("status")))
            return status or _unknown(f"its status is {_shown(answer.get('status'))}")
        return answer

    def refund(self, refund: Reembolso) -> Retry | Rejected | None:
        """Pay an order back; see `Gateway.refund`."""
        body = {
            "order_id": refund.order_id,
            "transaction_id": refund.transaction_id,
            "amount_cents": refund.amount_cents,
            "currency": refund.currency,
        }
        answer = self._call("refunds", f"{REFUND}{refund.order_id}", body, refund.traceparent)
        if isinstance(answer, dict):
            refunded = answer.get("status") == "refunded"
            return None if refunded else _unknown(f"its status is {_shown(answer.get('status'))}")
        return answer if not isinstance(answer, str) else _unknown("it declined to pay back")

    def _call(
        self, path: str, key: str, body: dict[str, Any], traceparent: str
    ) -> dict[str, Any] | str | Retry | Rejected:
        headers = {**self._headers, "Idempotency-Key": key}
        if traceparent:
            headers["traceparent"] = traceparent
        tried = self._ask(f"{self._url}/{path}", json.dumps(body), headers)
        if tried.error:
            # The error's text may repeat what the gateway sent, such as a malformed header.
            return _unknown(f"{type(tried.error).__name__}: {_escaped(str(tried.error))}")
        if tried.status == 402:
            return RECHAZADA
        if tried.status in (400, 422):
            return Rejected(
                "gateway", f"the gateway refused the request {key}; find out what it did: {tried.status} {_said(tried)}"
            )
        if tried.status in (200, 201):
            content = _content(tried.data)
            if why := _contradiction(body, content):
                return _unknown(f"its answer is about another call: {why}")
            return content or _unknown(f"its answer is no JSON object, is empty, or has a name twice: {_said(tried)}")
        return _unknown(f"it answered {tried.status} {_said(tried)}")

    def _ask(self, url: str, body: str, headers: dict[str, str]) -> _Try:
        """Try until an answer isn't transient, or until the tries or the time for all of them is used up."""
        pauses, left_s = self._pauses, self._tries * self._timeout_s
        while True:
            began = time.monotonic()
            tried = self._try(url, body, headers)
            left_s -= time.monotonic() - began
            # A try can outlast its timeout if the host's name is slow to resolve or has many dead addresses.
            last = left_s <= 0 or len(pauses.history) + 1 >= self._tries
            if last or not (tried.error or tried.status in TRANSIENT):
                return tried
            pauses = pauses.increment("POST", url, tried.response, tried.error)
            _pause(pauses, tried.response)

    def _try(self, url: str, body: str, headers: dict[str, str]) -> _Try:
        try:
            response = self._http.urlopen(
                "POST",
                url,
                body=body,
                headers=headers,
                retries=False,
                redirect=False,
                preload_content=False,
                pool_timeout=self._timeout_s,
            )
            return _Try(response, _read(response))
        except HTTPError as error:
            return _Try(error=error)


def _read(response: urllib3.BaseHTTPResponse) -> bytes:
    """Read an answer's body, and return its connection to the pool, which would lack it for ever otherwise."""
    try:
        data = response.read(MAX_ANSWER_BYTES + 1)
    finally:
        # An answer that was read to its end has returned its connection already. Any other one is closed here.
        response.close()
        response.release_conn()
    if len(data) > MAX_ANSWER_BYTES:
        raise ProtocolError(f"its answer is longer than {MAX_ANSWER_BYTES} bytes")
    return data


def _pause(pauses: urllib3.Retry, response: urllib3.BaseHTTPResponse | None) -> None:
    try:
        pauses.sleep(response)
    except (HTTPError, ValueError, OverflowError):  # Retry-After is neither seconds nor a date
        pauses.sleep()


def _content(data: bytes) -> dict[str, Any]:
    """Return the JSON object of a body, an empty one if the body is none or has a name that comes twice."""
    try:
        content = json.loads(data, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's members. Raises `ValueError` if a name comes twice: it is unclear which one counts."""
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError("a name comes twice")
    return content


def _said(tried: _Try) -> str:
    """Return the beginning of an answer's body, for the log."""
    return _escaped(tried.data[: 4 * MAX_SHOWN_CHARS].decode(errors="replace"))


def _shown(value: Any) -> str:
    """Return a value of an answer, in quotes, for the log."""
    return f"'{_escaped(str(value))}'"


def _escaped(text: str) -> str:
    """Return the beginning of a gateway's text as one line of printable characters, for the log."""
    begin = text[:MAX_SHOWN_CHARS]
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in begin)
    return shown if begin == text else f"{shown}…"


def _contradiction(asked: dict[str, Any], answer: dict[str, Any]) -> str:
    """Return how an answer differs from what was asked, empty if it doesn't. It may leave members out."""
    return ", ".join(
        f"its {name} is {_escaped(repr(answer[name]))}, not {asked[name]!r}"
        for name in REPEATED
        if answer.get(name) not in (None, asked[name])
    )


def _unknown(what: str) -> Retry:
    return Retry("gateway", f"the outcome is not known, so the gateway is asked again: {what}", until_known=True)
