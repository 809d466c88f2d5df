"""A payment gateway behind HTTP.

``POST /charges`` and ``POST /refunds`` with JSON and an ``Idempotency-Key``, as payment providers commonly have it:
https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/. The key of a charge is the order's id and
that of a refund ``reembolso-<order id>``: a call that is made again, by this instance or the next, is the same charge.

What a call came to:

| answer | means |
|---|---|
| 200, 201 with a ``status`` | what it says |
| 402 | declined |
| 400, 422 | the gateway refuses the request: a person has to look |
| 408, 425, 429, 5xx, no answer | not known; tried again with growing pauses, then put off |
| anything else (409: still at it; 401, 403, 404, a redirect, no JSON: set up wrongly) | not known either |
"""

import json
import logging
import time
from typing import Any

import urllib3

from functions.alpes_runtime import Rejected, Retry
from functions.pagos.domain import APROBADA, RECHAZADA, Cobro, Reembolso

from .options import GatewayOptions

TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
BACKOFF_S = 0.1
"""First pause between two tries; each further one is twice as long, and a random bit longer."""
LONGEST_PAUSE_S = 5.0
STATUSES = {"approved": APROBADA, "declined": RECHAZADA}
MAX_SHOWN_CHARS = 200
MAX_ANSWER_BYTES = 64_000

# It warns of every try that is made again: hundreds of times a second while a gateway is away. The runtime tells of it.
logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)


class HttpGateway:
    """Asks over HTTP; see `Gateway`."""

    def __init__(self, options: GatewayOptions) -> None:
        self.at_once = options.at_once
        self._url = options.url.rstrip("/")
        self._headers = {"Content-Type": "application/json"}
        if options.token:
            self._headers["Authorization"] = f"Bearer {options.token}"
        retries = urllib3.Retry(
            total=options.tries - 1,
            backoff_factor=BACKOFF_S,
            backoff_max=LONGEST_PAUSE_S,
            backoff_jitter=BACKOFF_S,
            retry_after_max=int(LONGEST_PAUSE_S),
            status_forcelist=TRANSIENT,
            allowed_methods=None,  # every call carries its key, so any may be made again
            redirect=False,
            raise_on_status=False,
        )
        self._timeout_s = options.timeout_s
        self._http = urllib3.PoolManager(
            maxsize=2 * options.at_once,  # charges and refunds have threads of their own
            block=True,
            retries=retries,
            timeout=urllib3.Timeout(connect=options.timeout_s, read=options.timeout_s),
        )

    def charge(self, cobro: Cobro) -> str | Retry | Rejected:
        """Charge an order; see `Gateway.charge`."""
        body = {"order_id": cobro.order_id, "amount_cents": cobro.amount_cents, "currency": cobro.currency}
        answer = self._call("charges", cobro.order_id, body, cobro.traceparent)
        if isinstance(answer, dict):
            status = STATUSES.get(str(answer.get("status")))
            return status or _unknown(f"its status is {str(answer.get('status'))[:MAX_SHOWN_CHARS]!r}")
        return answer

    def refund(self, refund: Reembolso) -> Retry | Rejected | None:
        """Pay an order back; see `Gateway.refund`."""
        body = {
            "order_id": refund.order_id,
            "transaction_id": refund.transaction_id,
            "amount_cents": refund.amount_cents,
            "currency": refund.currency,
        }
        answer = self._call("refunds", f"reembolso-{refund.order_id}", body, refund.traceparent)
        if isinstance(answer, dict):
            refunded = answer.get("status") == "refunded"
            return None if refunded else _unknown(f"its status is {str(answer.get('status'))[:MAX_SHOWN_CHARS]!r}")
        return answer if not isinstance(answer, str) else _unknown("it declined to pay back")

    def _call(
        self, path: str, key: str, body: dict[str, Any], traceparent: str
    ) -> dict[str, Any] | str | Retry | Rejected:
        headers = {**self._headers, "Idempotency-Key": key}
        if traceparent:
            headers["traceparent"] = traceparent
        try:
            answer = self._http.request(
                "POST",
                f"{self._url}/{path}",
                body=json.dumps(body),
                headers=headers,
                preload_content=False,
                pool_timeout=self._timeout_s,
            )
            data = self._read(answer)
        except urllib3.exceptions.HTTPError as error:
            return _unknown(f"{type(error).__name__}: {error}")
        said = data[:MAX_SHOWN_CHARS].decode(errors="replace")
        if answer.status == 402:
            return RECHAZADA
        if answer.status in (400, 422):
            return Rejected(
                "gateway", f"the gateway refused the request {key}, see what it did: {answer.status} {said}"
            )
        if answer.status in (200, 201):
            try:
                content = json.loads(data)
            except ValueError:
                content = None
            return content if isinstance(content, dict) else _unknown(f"it answered no JSON object: {said}")
        return _unknown(f"it answered {answer.status} {said}")

    def _read(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Read an answer's body: the timeout counts for each piece, and whoever sends drop by drop would meet none."""
        deadline = time.monotonic() + self._timeout_s
        data = b""
        try:
            while piece := answer.read1():
                data += piece
                if len(data) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                    raise urllib3.exceptions.ProtocolError(
                        f"its answer is too long or too slow, after {len(data)} bytes"
                    )
        finally:
            # Read to its end it has given its connection back; otherwise that is broken off, and its place given back:
            # one that isn't would be missing for ever.
            answer.close()
            answer.release_conn()
        return data


def _unknown(what: str) -> Retry:
    return Retry("gateway", f"whether the gateway did it is not known, it is asked again: {what}", until_known=True)
