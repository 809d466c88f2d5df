"""The reason of a failed download is told in one line; real connections on this machine fail in each way."""

import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from local_stack import distribution

WHOLE_LENGTH = 1000
HEADERS = f"HTTP/1.1 200 OK\r\nContent-Length: {WHOLE_LENGTH}\r\n\r\n".encode()
SHORT_S = 0.2


@pytest.fixture(autouse=True)
def nothing_leads_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset the proxies and certificates of the developer's shell, so that these tests stay on this machine."""
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name in {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}:
            monkeypatch.delenv(name)


@contextmanager
def server(*says: bytes, keeps_open: bool = False, certificate: Path | None = None) -> Iterator[int]:
    """Run a server that answers one connection so and then closes it, or keeps it open; yields its port."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            # The client may close first.
            try:
                connection, _ = listener.accept()
                if certificate is not None:
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(certificate)
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    connection.recv(4096)
                    for part in says:
                        connection.sendall(part)
                    if keeps_open:
                        ended.wait(10)
            except OSError:
                pass

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            ended.set()
            thread.join()


def cause(url: str) -> str:
    """Download as the library that fetches Pulsar does, and return why that fails."""
    with pytest.raises(requests.RequestException) as caught:  # noqa: PT012 - any of them fails, by the cause
        response = requests.get(url, stream=True, timeout=SHORT_S)
        for _ in response.iter_content(chunk_size=8192):
            pass
    told = distribution._cause(caught.value)
    assert "\n" not in told
    return told


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{closed_port()}")
    assert cause("https://repo.invalid/x") == (
        "the proxy in HTTPS_PROXY can't be reached. Correct the variable, or unset it."
    )


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    subprocess.run([*make, "-keyout", pem, "-out", tmp_path / "only.pem"], check=True, capture_output=True)
    with pem.open("a") as file:
        file.write((tmp_path / "only.pem").read_text())
    with server(certificate=pem) as port:
        assert "authority's certificate file with REQUESTS_CA_BUNDLE." in cause(f"https://127.0.0.1:{port}/")


def test_what_speaks_no_tls_has_no_certificate_to_trust() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        told = cause(f"https://127.0.0.1:{port}/")
    assert "REQUESTS_CA_BUNDLE" not in told
    assert told.startswith("no connection. Check the network")


@pytest.mark.parametrize("says", [(), (HEADERS, b"begun")], ids=["before it answers", "in the middle"])
def test_a_silent_server(says: tuple[bytes, ...]) -> None:
    with server(*says, keeps_open=True) as port:
        assert cause(f"http://127.0.0.1:{port}/") == "no answer within 30 s. Try again."


def test_a_download_that_breaks_off() -> None:
    with server(HEADERS, b"begun") as port:
        assert cause(f"http://127.0.0.1:{port}/") == "the connection broke off. Try again."


@pytest.mark.parametrize("host", ["127.0.0.1", "repo.invalid"])
def test_no_connection(host: str) -> None:
    told = cause(f"http://{host}:{closed_port()}/")
    assert told.startswith("no connection. Check the network, or copy ALPES_CACHE from a machine that has it. [")
