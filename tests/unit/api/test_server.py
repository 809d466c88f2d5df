"""`alpes serve` as a process: what it refuses at its start, what it does with what isn't HTTP, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

COMMAND = (sys.executable, "-m", "client", "serve", "--service-url", "pulsar://127.0.0.1:1")
IS_LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
AWAY = ("--admin-url", "http://127.0.0.1:1")


@pytest.fixture(scope="module")
def server() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    process = subprocess.Popen([*COMMAND, *AWAY, "--port", "0"], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    yield process, int(re.findall(r":(\d+)$", process.stderr.readline().strip())[0])
    process.kill()
    process.communicate()


def answer(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        try:
            connection.sendall(request)
            return b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            return b""


def test_what_is_no_http_is_answered_with_a_problem(server: tuple["subprocess.Popen[str]", int]) -> None:
    answered = answer(server[1], b"nonsense\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in answered


def head_of(length: int) -> bytes:
    """Return a request whose head has this length, in lines of 1,000 bytes."""
    first, end = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", b"\r\n"
    lines, rest = divmod(length - len(first) - len(end), 1_000)
    last = b"X-B: " + b"b" * (rest - 7) + b"\r\n"
    return first + (b"X-A: " + b"a" * 993 + b"\r\n") * lines + last + end


@pytest.mark.parametrize(("kib", "status"), [(63, b"200"), (66, b"431"), (80, b"431"), (400, b"431")])
def test_a_head_may_have_64_kib_and_no_more_however_it_comes(
    server: tuple["subprocess.Popen[str]", int], kib: int, status: bytes
) -> None:
    answered = answer(server[1], head_of(kib * 1024))
    assert answered.startswith(b"HTTP/1.1 " + status)
    assert status == b"200" or b"urn:alpes:problem:head" in answered


def test_a_line_without_an_end_is_not_kept(server: tuple["subprocess.Popen[str]", int]) -> None:
    answered = answer(server[1], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"a" * 1_000_000)
    assert answered.startswith(b"HTTP/1.1 431 ")


def test_a_large_body_is_no_large_head(server: tuple["subprocess.Popen[str]", int]) -> None:
    # Both requests come in pieces that have the end of one and the beginning of the next.
    body = b"x" * 60_000
    post = b"POST /reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\n" + body
    answered = answer(server[1], post * 3 + head_of(63 * 1024))
    assert (answered.count(b"HTTP/1.1 400 "), answered.count(b"HTTP/1.1 200 ")) == (3, 1)


@pytest.mark.parametrize("hosts", [b"", b"Host: 127.0.0.1\r\nHost: example.org\r\n"])
def test_a_request_names_one_host(server: tuple["subprocess.Popen[str]", int], hosts: bytes) -> None:
    answered = answer(server[1], b"GET /health/live HTTP/1.1\r\n" + hosts + b"Connection: close\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 400 ")


def test_a_body_that_is_too_large_is_refused_whether_its_length_is_said_or_not(
    server: tuple["subprocess.Popen[str]", int],
) -> None:
    for path in (b"/orders", b"/reports"):
        begin = b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        chunks = b"Transfer-Encoding: chunked\r\n\r\n" + (b"3e8\r\n" + b" " * 1000 + b"\r\n") * 70 + b"0\r\n\r\n"
        for request in (begin + b"Content-Length: 70000\r\n\r\n" + b" " * 70_000, begin + chunks):
            assert answer(server[1], request).startswith(b"HTTP/1.1 413 "), request[:90]


def test_a_body_that_does_not_come_is_answered_in_time(server: tuple["subprocess.Popen[str]", int]) -> None:
    begin = b"POST /reports HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
    assert answer(server[1], begin).startswith(b"HTTP/1.1 408 ")


def test_head_is_get_without_the_body(server: tuple["subprocess.Popen[str]", int]) -> None:
    for path in (b"/", b"/docs", b"/openapi.json", b"/health/live", b"/live/events"):
        end = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        head, _, body = answer(server[1], b"HEAD " + path + end).partition(b"\r\n\r\n")
        assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b""), path


def test_a_head_that_never_ends_is_not_kept(server: tuple["subprocess.Popen[str]", int]) -> None:
    assert answer(server[1], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-A: b\r\n" * 100_000).startswith(
        b"HTTP/1.1 431 "
    )
    assert answer(server[1], IS_LIVE).startswith(b"HTTP/1.1 200 ")


def refused(*options: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *AWAY, *options], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.strip()


def test_where_it_cannot_listen_is_said_in_one_line(server: tuple["subprocess.Popen[str]", int]) -> None:
    code, told = refused("--port", str(server[1]))
    assert (code, told.count("\n")) == (1, 0)
    assert "can't listen" in told


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("--service-url", "pulsar://127.0.0.1:99999"),
        ("--service-url", "pulsar://"),
        ("--service-url", ""),
        ("--admin-url", "x"),
    ],
)
def test_an_address_that_is_none_is_said_in_one_line(option: str, address: str) -> None:
    code, told = refused("--port", "0", option, address)
    assert (code, told.count("\n")) == (2, 0)
    assert repr(address) in told


def test_it_refuses_to_be_open_to_other_machines() -> None:
    code, told = refused("--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused
    assert (code, told.count("\n")) == (2, 0)
    assert "--token-file" in told


@pytest.mark.parametrize("path", [b"/orders", b"/reports"])
def test_a_client_may_go_away_within_its_body(server: tuple["subprocess.Popen[str]", int], path: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server[1]), timeout=30) as connection:
        connection.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{")
    assert answer(server[1], IS_LIVE).startswith(b"HTTP/1.1 200 ")


def test_it_ends_on_sigterm_and_has_logged_no_error_of_its_own(server: tuple["subprocess.Popen[str]", int]) -> None:
    process, _ = server
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
