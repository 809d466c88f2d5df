"""`alpes serve` as a process: what it refuses at its start, what it does with what isn't HTTP, and how it ends."""

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

COMMAND = (sys.executable, "-m", "client", "serve", "--service-url", "pulsar://127.0.0.1:1")
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


def test_a_head_that_never_ends_is_not_kept(server: tuple["subprocess.Popen[str]", int]) -> None:
    assert answer(server[1], b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X-A: b\r\n" * 100_000) == b""
    assert answer(server[1], b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").startswith(
        b"HTTP/1.1 200 "
    )


def refused(*options: str) -> tuple[int, str]:
    done = subprocess.run([*COMMAND, *AWAY, *options], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr.strip()


def test_where_it_cannot_listen_is_said_in_one_line(server: tuple["subprocess.Popen[str]", int]) -> None:
    code, told = refused("--port", str(server[1]))
    assert (code, told.count("\n")) == (1, 0)
    assert "can't listen" in told


def test_it_refuses_to_be_open_to_other_machines() -> None:
    code, told = refused("--host", "0.0.0.0", "--port", "0")  # noqa: S104 - it is refused
    assert (code, told.count("\n")) == (2, 0)
    assert "--token-file" in told


def test_it_ends_on_sigterm(server: tuple["subprocess.Popen[str]", int]) -> None:
    process, _ = server
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
