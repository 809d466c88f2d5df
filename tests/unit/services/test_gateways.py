"""The client of an HTTP gateway that fails in every way charges at most once, and guesses no answer."""

import http.server
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from alpes_runtime import Rejected, Retry
from functions.pagos.domain import Cobro, Reembolso
from functions.pagos.gateways import GATEWAYS, Gateway, GatewayOptions
from functions.pagos.gateways.http import HttpGateway
from schemas.tienda.rules import id_problem
from tests.faults.gateway_server import FAULTS, GatewayServer, QuietServer

COBRO = Cobro("orden-1", 1250, "USD", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
REFUND = Reembolso("orden-1", "t-1", 1250, "USD", 1, "")
Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@pytest.fixture
def server() -> Iterator[GatewayServer]:
    with GatewayServer(slow_s=3.0) as made:
        yield made


def client(url: str, **options: Any) -> Gateway:
    settings = GatewayOptions(approval_rate=0.5, url=url, **{"timeout_s": 0.4, "tries": 2, **options})
    return GATEWAYS["http"].make(settings)


@contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Run a gateway that gives every request this answer; yields its URL."""

    class Answering(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    with QuietServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def say(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def drip(handler: http.server.BaseHTTPRequestHandler, data: bytes) -> None:
    """Send byte by byte, each well within the timeout."""
    for byte in data:
        handler.wfile.write(bytes([byte]))
        time.sleep(0.05)


def approve(handler: http.server.BaseHTTPRequestHandler) -> None:
    say(handler, 200, b'{"status": "approved"}')


def too_long(handler: http.server.BaseHTTPRequestHandler) -> None:
    say(handler, 200, b" " * 1_000_000)


def too_slow(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    drip(handler, b" " * 500)


def slow_refusal(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("Content-Length", "500")
    handler.end_headers()
    drip(handler, b" " * 500)


def slow_headers(handler: http.server.BaseHTTPRequestHandler) -> None:
    drip(handler, b"HTTP/1.1 200 OK\r\n" + b"X-Some: thing\r\n" * 32)


def slowly_continued(handler: http.server.BaseHTTPRequestHandler) -> None:
    drip(handler, b"HTTP/1.1 100 Continue\r\n\r\n" * 20)


def endless_refusal(handler: http.server.BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    drip(handler, b"1\r\n \r\n" * 80)


def test_gateways_of_the_configuration_charge_and_pay_back(server: GatewayServer) -> None:
    for kind in (*(kind for kind in GATEWAYS.values() if not kind.remote), GATEWAYS["http"]):
        gateway = kind.make(GatewayOptions(approval_rate=1.0, url=server.url))
        assert gateway.charge(COBRO) in ("aprobada", "rechazada")
        assert gateway.refund(REFUND) is None


def test_a_charge_is_asked_for_under_the_orders_id_and_a_refund_under_its_own(server: GatewayServer) -> None:
    gateway = client(server.url)
    outcomes = {n: gateway.charge(COBRO._replace(order_id=f"o{n}")) for n in range(60)}
    assert set(outcomes.values()) == {"aprobada", "rechazada"}
    assert gateway.refund(REFUND) is None
    content, _ = server.ledger.done["o1"]
    assert content == {"order_id": "o1", "amount_cents": 1250, "currency": "USD"}
    assert server.ledger.refunded() == {"orden-1": 1250}
    assert "reembolso:orden-1" in server.ledger.done


@pytest.mark.parametrize("order_id", ["reembolso-orden-1", "reembolso.orden-1", "reembolso_orden-1"])
def test_no_charge_has_the_key_of_a_refund(order_id: str, server: GatewayServer) -> None:
    gateway = client(server.url)
    assert gateway.charge(COBRO._replace(order_id=order_id)) in ("aprobada", "rechazada")
    assert gateway.refund(REFUND) is None
    assert server.ledger.refunded() == {"orden-1": 1250}
    refund_keys = [key for key, (_, answer) in server.ledger.done.items() if answer["status"] == "refunded"]
    assert [key for key in refund_keys if id_problem("id", key)] == refund_keys, "no order can have that id"


@pytest.mark.parametrize("fault", FAULTS)
def test_while_the_gateway_fails_nothing_is_known_and_afterwards_the_same_charge_is_found(
    fault: str, server: GatewayServer
) -> None:
    gateway = client(server.url, timeout_s=1.0)
    server.faults = {fault: 1.0}
    answer = gateway.charge(COBRO)
    assert isinstance(answer, Retry)
    assert answer.until_known
    assert server.ledger.asked[fault] == 2, "it was tried again at once"
    assert isinstance(gateway.refund(REFUND), Retry)
    server.faults = {}
    assert gateway.charge(COBRO) in ("aprobada", "rechazada")
    assert gateway.refund(REFUND) is None
    assert set(server.ledger.effects.values()) == {1}


def test_a_short_failure_is_tried_through(server: GatewayServer) -> None:
    gateway = client(server.url, tries=8)
    server.faults = dict.fromkeys(FAULTS, 0.08)
    answers = [gateway.charge(COBRO._replace(order_id=f"o{n}")) for n in range(30)]
    assert all(answer in ("aprobada", "rechazada") for answer in answers)
    assert set(server.ledger.effects.values()) == {1}


def test_a_gateway_that_is_not_there_is_waited_for() -> None:
    answer = client("http://127.0.0.1:9").charge(COBRO)
    assert isinstance(answer, Retry)
    assert answer.until_known


def test_a_gateway_that_says_it_is_still_at_it_is_asked_again(server: GatewayServer) -> None:
    """Many gateways answer 409 to a key whose first call isn't finished."""
    gateway = client(server.url)
    gateway.charge(COBRO)
    answer = gateway.charge(COBRO._replace(amount_cents=1))
    assert isinstance(answer, Retry)
    assert answer.until_known


@pytest.mark.parametrize("bad", [too_slow, slow_refusal, slow_headers, slowly_continued, endless_refusal])
def test_a_call_ends_in_time_however_its_answer_comes(bad: Answer) -> None:
    with answering(bad) as url:
        started = time.monotonic()
        answer = client(url).charge(COBRO)
        took_s = time.monotonic() - started
    assert took_s < 5, "two tries of 0.4 s; the answer takes 25 s"
    assert isinstance(answer, Retry)
    assert answer.until_known


@pytest.mark.parametrize("status", [200, 503])
def test_a_long_answer_is_not_read_to_its_end(status: int) -> None:
    sent: Counter[int] = Counter()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(100_000_000))
        handler.end_headers()
        for _ in range(1000):
            handler.wfile.write(b" " * 100_000)
            sent[handler.client_address[1]] += 100_000

    with answering(answer) as url:
        assert isinstance(client(url, timeout_s=5.0).charge(COBRO), Retry)
    assert max(sent.values(), default=0) < 50_000_000, "the server sent more than the buffers hold"


@pytest.mark.parametrize("wait", ["soon", "9" * 5000, "Mon, 99 Jan 99999999999 99:99:99 GMT"])
def test_a_pause_that_is_asked_for_wrongly_is_none(wait: str) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(503)
        handler.send_header("Retry-After", wait)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    answers = iter([answer])
    with answering(lambda handler: next(answers, approve)(handler)) as url:  # noqa: PLW0108 -- a new one each time
        assert client(url, timeout_s=2.0).charge(COBRO) == "aprobada"


def test_no_further_try_is_begun_when_the_time_of_all_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with many addresses that don't answer takes one timeout for each address."""
    tries: list[object] = []

    def connect(*address: object, **_: object) -> socket.socket:
        tries.append(address)
        time.sleep(1.0)
        raise TimeoutError

    monkeypatch.setattr("urllib3.util.connection.create_connection", connect)
    answer = client("http://127.0.0.1:9", timeout_s=0.2, tries=8).charge(COBRO)
    assert isinstance(answer, Retry)
    assert 1 <= len(tries) <= 2


def charged_at_last(gateway: Gateway) -> list[object]:
    """Charge until there is an answer: the timeout is short, and this machine may be busy."""
    answers: list[object] = []
    while len(answers) < 10 and (not answers or isinstance(answers[-1], Retry)):
        answers.append(gateway.charge(COBRO))
    return answers


@pytest.mark.parametrize("bad", [too_long, too_slow])
def test_an_answer_that_is_not_taken_costs_no_connection(bad: Answer) -> None:
    answers = iter([bad, bad, bad])
    with answering(lambda handler: next(answers, approve)(handler)) as url:  # noqa: PLW0108 -- a new one each time
        gateway = client(url, tries=1, at_once=1)
        for _ in range(2 * gateway.at_once + 1):
            assert isinstance(gateway.charge(COBRO), Retry)
        assert "aprobada" in charged_at_last(gateway)


@pytest.mark.parametrize("status", [200, 402, 404, 503])
def test_a_connection_is_used_again(status: int) -> None:
    seen: set[int] = set()

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.add(handler.client_address[1])
        say(handler, status, b'{"status": "approved"}')

    with answering(answer) as url:
        gateway = client(url, timeout_s=2.0)
        for _ in range(3):
            gateway.charge(COBRO)
    assert len(seen) == 1


def test_where_every_connection_is_in_use_nothing_is_known_after_the_timeout(server: GatewayServer) -> None:
    gateway = client(server.url, tries=1, at_once=1)
    assert isinstance(gateway, HttpGateway)
    pool = gateway._http.connection_from_url(server.url)
    in_use = [pool._get_conn() for _ in range(2 * gateway.at_once)]
    answer = gateway.charge(COBRO)
    assert isinstance(answer, Retry)
    assert answer.until_known
    pool._put_conn(in_use.pop())
    assert {"aprobada", "rechazada"} & set(charged_at_last(gateway))


ANSWERS = [
    (200, b'{"status": "approved"}', "aprobada"),
    (201, b'{"status": "declined"}', "rechazada"),
    (402, b"", "rechazada"),
    (400, b"bad amount", "gateway"),
    (422, b'{"error": "currency"}', "gateway"),
    (409, b"still at it", None),
    (200, b"<html>a proxy's page</html>", None),
    (200, b'["approved"]', None),
    (200, b'{"status": "pending"}', None),
    (200, b"{}", None),
    (200, b'{"status": "declined", "status": "approved"}', None),
    (200, b'{"status": "approved", "status": "approved"}', None),
    (200, b'{"status": "approved", "order_id": "orden-2", "order_id": "orden-1"}', None),
    (200, b'{"status": "approved", "details": {"a": 1, "a": 2}}', None),
    (200, b"[" * 50_000, None),
    (204, b"", None),
    (301, b"", None),
    (401, b"who are you?", None),
    (403, b"", None),
    (404, b"", None),
    (418, b"\xff\xfe", None),
    (503, b"", None),
]


STEERING = "\x1b[2J\nWARNING all is well\x9b\u202e"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (503, STEERING.encode() + b"x" * 10_000),
        (200, STEERING.encode()),
        (200, b"\xff" * 10_000),
        (422, STEERING.encode() * 1_000),
        (200, json.dumps({"status": STEERING * 1_000}).encode()),
        (200, json.dumps({"status": "approved", "currency": STEERING * 1_000}).encode()),
        (200, json.dumps({"status": "approved", "currency": [STEERING]}).encode()),
    ],
)
def test_what_a_gateway_said_is_one_bounded_line_of_the_log(status: int, body: bytes) -> None:
    with answering(lambda handler: say(handler, status, body)) as url:
        gateway = client(url, timeout_s=2.0)
        for answer in (gateway.charge(COBRO), gateway.refund(REFUND)):
            assert isinstance(answer, Retry | Rejected)
            assert answer.reason.isprintable()
            assert len(answer.reason) < 3_000


@pytest.mark.parametrize("status", ["approved", "declined", "refunded"])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("order_id", "orden-2"),
        ("amount_cents", 1),
        ("amount_cents", 1250.5),
        ("amount_cents", "1250"),
        ("currency", "EUR"),
        ("currency", ["USD"]),
    ],
)
def test_an_answer_about_something_else_is_none_to_this_order(field: str, value: object, status: str) -> None:
    body = {"status": status, "order_id": "orden-1", "amount_cents": 1250, "currency": "USD", field: value}
    with answering(lambda handler: say(handler, 200, json.dumps(body).encode())) as url:
        gateway = client(url, timeout_s=2.0)
        for answer in (gateway.charge(COBRO), gateway.refund(REFUND)):
            assert isinstance(answer, Retry)
            assert answer.until_known
            assert f"{field} is {value!r}, not " in answer.reason


@pytest.mark.parametrize(
    "said", [{}, {"order_id": "orden-1"}, {"amount_cents": 1250, "currency": "USD"}, {"currency": None}]
)
def test_an_answer_may_leave_out_what_it_is_about(said: dict[str, object]) -> None:
    with answering(lambda handler: say(handler, 200, json.dumps({"status": "approved", **said}).encode())) as url:
        assert client(url, timeout_s=2.0).charge(COBRO) == "aprobada"


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS, ids=[f"{s} {b[:25]!r}" for s, b, _ in ANSWERS])
def test_what_each_answer_means(status: int, body: bytes, expected: str | None) -> None:
    seen: list[dict[str, str]] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.append(dict(handler.headers))
        handler.send_response(status)
        handler.send_header("Content-Length", str(0 if status == 204 else len(body)))
        handler.send_header("Location", "http://127.0.0.1:9/")
        handler.end_headers()
        handler.wfile.write(b"" if status == 204 else body)

    with answering(answer) as url:
        answered = client(f"{url}/", token="secret").charge(COBRO)
    if expected in ("aprobada", "rechazada"):
        assert answered == expected
    elif expected is None:
        assert isinstance(answered, Retry)
        assert answered.until_known
    else:
        assert isinstance(answered, Rejected)
        assert answered.error_type == expected
    assert seen[0]["Idempotency-Key"] == "orden-1"
    assert seen[0]["Authorization"] == "Bearer secret"
    assert seen[0]["traceparent"] == COBRO.traceparent
    assert "secret" not in str(answered)
