"""Who we are and whom we trust: from variables and `client.conf`, over real TLS."""

import base64
import contextlib
import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from alpes_wire import Unauthenticated, connect
from alpes_wire.link import encoded
from alpes_wire.protocol_pb2 import BaseCommand
from connection import client
from connection.admin import Admin
from connection.errors import BrokerUnreachableError, SecurityError
from connection.security import CA_FILE, CLIENT_CONF, TOKEN_FILE, Security, client_conf, from_environment
from local_stack.secured.certificates import Authority
from local_stack.secured.tokens import Signer

CANARY = "canary-9f3a"
TOKEN_PLUGIN = "org.apache.pulsar.client.impl.auth.AuthenticationToken"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ours"))


def served(certificate: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@contextlib.contextmanager
def broker(context: ssl.SSLContext, answer: BaseCommand) -> Iterator[tuple[str, list[bytes]]]:
    """Serve TLS, and answer each client's first command; yields the address and what came."""
    came: list[bytes] = []

    def serve(server: socket.socket) -> None:
        while True:
            try:
                accepted, _ = server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), accepted, context.wrap_socket(accepted, server_side=True) as stream:
                came.append(stream.recv(10_000))
                stream.sendall(encoded(answer))
                stream.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        yield f"pulsar+ssl://127.0.0.1:{server.getsockname()[1]}", came
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def welcome() -> BaseCommand:
    command = BaseCommand(type=BaseCommand.CONNECTED)
    command.connected.server_version = "test"
    return command


def refusal(code: int, text: str) -> BaseCommand:
    command = BaseCommand(type=BaseCommand.ERROR)
    command.error.error, command.error.message = code, text.encode()
    return command


def test_a_token_and_an_authority_of_the_environment_are_used(authority: Authority, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(CANARY + "\n")
    security = from_environment({TOKEN_FILE: str(file), CA_FILE: str(authority.certificate)})
    with broker(served(*authority.server("loopback", ["127.0.0.1"])), welcome()) as (url, came):
        connect(security.endpoint(url)).close()
        file.write_text("another")
        connect(security.endpoint(url)).close()
    assert [CANARY.encode() in each for each in came] == [True, False], "the file is read for each connection"
    assert b"another" in came[1]
    assert CANARY not in repr(security) + repr(security.endpoint(url))


@pytest.mark.parametrize(
    ("hosts", "ours", "said"),
    [
        (["127.0.0.1"], False, "its certificate isn't accepted: certificate signature failure"),
        (["otro.example"], True, "its certificate isn't accepted: IP address mismatch"),
    ],
    ids=["another authority", "another host"],
)
def test_a_certificate_that_is_not_accepted_is_told(
    hosts: list[str], ours: bool, said: str, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = authority if ours else Authority(tmp_path)
    monkeypatch.setenv(CA_FILE, str(authority.certificate))
    with (
        broker(served(*other.server(hosts[0], hosts)), welcome()) as (url, came),
        pytest.raises(SecurityError, match=said),
        client.opened(url),
    ):
        pytest.fail("connected")
    assert came == []


def test_what_the_broker_says_of_a_token_is_told(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(Signer(tmp_path).token("shop"))
    monkeypatch.setenv(TOKEN_FILE, str(tmp_path / "token"))
    monkeypatch.setenv(CA_FILE, str(authority.certificate))
    server = served(*authority.server("loopback", ["127.0.0.1"]))
    with (
        broker(server, refusal(3, "Failed to authenticate token: JWT expired")) as (url, _),
        pytest.raises(SecurityError, match=r"the broker refused: Failed to authenticate token: JWT expired\.$"),
        client.opened(url),
    ):
        pytest.fail("connected")


def test_a_token_that_has_expired_is_told_with_its_time(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(Signer(tmp_path).token("shop", dt.timedelta(seconds=-60)))
    monkeypatch.setenv(TOKEN_FILE, str(tmp_path / "token"))
    monkeypatch.setenv(CA_FILE, str(authority.certificate))
    server = served(*authority.server("loopback", ["127.0.0.1"]))
    with (
        broker(server, refusal(3, "Failed to authenticate")) as (url, _),
        pytest.raises(SecurityError, match=r"^No connection to Pulsar at [^ ]*: the token expired at 20[-0-9:TZ]*\.$"),
        client.opened(url),
    ):
        pytest.fail("connected")


def test_a_server_without_tls_is_no_pulsar(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CA_FILE, str(authority.certificate))
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.sendall(b"220 mail ready\r\n")

        thread = threading.Thread(target=greet, daemon=True)
        thread.start()
        with (
            pytest.raises(BrokerUnreachableError, match="No Pulsar at pulsar"),
            client.opened(f"pulsar+ssl://127.0.0.1:{server.getsockname()[1]}"),
        ):
            pytest.fail("connected")
        thread.join()


@contextlib.contextmanager
def admin_api(context: ssl.SSLContext) -> Iterator[tuple[str, list[str]]]:
    """Serve HTTPS that answers with an empty list; yields the address and the credentials that came."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            came.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{server.server_port}", came
        server.shutdown()
        thread.join()


def test_the_admin_api_gets_the_token_and_its_certificate_is_checked(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    environ = {TOKEN_FILE: str(tmp_path / "token"), CA_FILE: str(authority.certificate)}
    with admin_api(served(*authority.server("loopback", ["127.0.0.1"]))) as (url, came):
        assert Admin(url, security=from_environment(environ)).get("/p") == []
        with pytest.raises(SecurityError, match=r"^The certificate of https://[^ ]* isn't accepted: "):
            Admin(url, security=Security()).get("/p")
    assert came == [f"Bearer {CANARY}"]


def test_variables_go_before_client_conf(tmp_path: Path) -> None:
    conf = tmp_path / "client.conf"
    conf.write_text(f"# ours\nauthPlugin={TOKEN_PLUGIN}\nauthParams=token:old\ntlsTrustCertsFilePath=/old.pem\nx=\n")
    security = from_environment({CLIENT_CONF: str(conf)})
    assert (security.token and security.token(), security.ca) == ("old", Path("/old.pem"))
    (tmp_path / "token").write_text("new")
    environ = {CLIENT_CONF: str(conf), TOKEN_FILE: str(tmp_path / "token"), CA_FILE: "/new.pem"}
    security = from_environment(environ)
    assert (security.token and security.token(), security.ca) == ("new", Path("/new.pem"))
    lines = client_conf("https://a:2", environ).splitlines()
    assert f"authParams=file://{tmp_path}/token" in lines
    assert {"tlsTrustCertsFilePath=/new.pem", "tlsEnableHostnameVerification=true", "webServiceUrl=https://a:2"} < {
        *lines
    }
    assert not any("old" in line or "new\n" in line for line in lines)


def test_a_token_in_client_conf_is_read_for_each_connection(tmp_path: Path) -> None:
    conf = tmp_path / "client.conf"
    conf.write_text(f"authPlugin={TOKEN_PLUGIN}\nauthParams=token:old\n")
    security = from_environment({CLIENT_CONF: str(conf)})
    assert security.headers() == {"Authorization": "Bearer old"}
    conf.write_text(f"authPlugin={TOKEN_PLUGIN}\nauthParams=token:new\n")
    assert security.headers() == {"Authorization": "Bearer new"}


def test_without_any_of_them_nothing_is_sent() -> None:
    security = from_environment({})
    assert security == Security()
    assert security.headers() == {}
    assert security.role() == ""
    assert client_conf("http://a:2", {}) == ""


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        (
            "authPlugin=org.apache.pulsar.client.impl.auth.AuthenticationSasl",
            "AuthenticationSasl, which isn't supported",
        ),
        ("authPlugin=tls\nauthParams=tlsCertFile:/c.pem", "lack tlsKeyFile"),
        ("authPlugin=oauth2\nauthParams={}", "The authParams of OAuth2 lack issuerUrl"),
        ("authPlugin=oauth2\nauthParams={", "The authParams of OAuth2 can't be read: it is no JSON object"),
        ("authPlugin=oauth2\nauthParams=[]", "The authParams of OAuth2 can't be read: it is no JSON object"),
        (
            'authPlugin=oauth2\nauthParams={"privateKey": "data:;base64,fsecret"}',
            r"of OAuth2's authParams can't be read",
        ),
        ('authPlugin=oauth2\nauthParams={"privateKey": "/none"}', "key file of .* can't be read: No such file"),
        ('authPlugin=token\nauthParams={"token":"abc', "authParams of client.conf can't be read: it is no JSON object"),
        ("authPlugin=token\nauthParams=token:\\uX", "names, can't be read: a .u in it isn't"),
    ],
)
def test_what_cannot_be_used_is_told_in_a_line(conf: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "client.conf"
    file.write_text(conf)
    with pytest.raises(SecurityError, match=said):
        from_environment({CLIENT_CONF: str(file)}).headers()
    with pytest.raises(SecurityError, match=r"/none, which PULSAR_CLIENT_CONF names, can't be read"):
        from_environment({CLIENT_CONF: "/none"})


def test_a_token_file_that_is_gone_is_a_connection_that_failed(tmp_path: Path) -> None:
    security = from_environment({TOKEN_FILE: str(tmp_path / "none")})
    with pytest.raises(SecurityError, match=r"The token file .*/none can't be read: No such file"):
        security.headers()
    with pytest.raises(Unauthenticated, match=r"The token file .*/none can't be read"):
        security.endpoint("pulsar://127.0.0.1:1").auth_data()
    with pytest.raises(SecurityError, match=r"^/none.pem holds no certificate that can be used"):
        Security(ca=Path("/none.pem")).context()


@pytest.mark.parametrize(
    ("given", "role"),
    [(lambda signer: signer.token("shop"), "shop"), (lambda _: "no token", ""), (lambda _: "a.b.c", "")],
    ids=["a token", "no token", "nonsense"],
)
def test_the_role_is_the_one_in_the_token(given: Callable[[Signer], str], role: str, tmp_path: Path) -> None:
    token = given(Signer(tmp_path))
    assert Security(token=lambda: token).role() == role


@pytest.mark.parametrize(
    "conf",
    [
        "# caf\xe9\nauthPlugin: token\nauthParams: token:abc".encode("latin-1"),
        b"\xef\xbb\xbfauthPlugin token\nauthParams=token:\\\n  abc\n",
        b'authPlugin=token\nauthParams={"token": "abc"}',
    ],
    ids=["colons and Latin-1", "byte order mark and a line that goes on", "JSON"],
)
def test_client_conf_is_read_as_java_reads_it(conf: bytes, tmp_path: Path) -> None:
    file = tmp_path / "client.conf"
    file.write_bytes(conf)
    assert from_environment({CLIENT_CONF: str(file)}).headers() == {"Authorization": "Bearer abc"}


@pytest.mark.parametrize("content", ["", CANARY + "\n" + CANARY, f"{CANARY}é"], ids=["empty", "two lines", "no ASCII"])
def test_what_is_no_token_is_told_without_it(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(SecurityError, match="/token doesn't hold a token") as caught:
        from_environment({TOKEN_FILE: str(file)}).headers()
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(("issuer", "private_key"), [("issuer_url", "private_key"), ("issuerUrl", "privateKey")])
@pytest.mark.parametrize("form", ["file", "data"])
def test_oauth2_gets_a_token_and_keeps_it_until_its_key_is_another(
    issuer: str, private_key: str, form: str, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    class Server(BaseHTTPRequestHandler):
        def _answer(self, body: dict[str, object]) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            asked.append((self.path, sent))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def do_GET(self) -> None:
            self._answer({"token_endpoint": f"http://127.0.0.1:{self.server.server_port}/token"})  # type: ignore[attr-defined]

        def do_POST(self) -> None:
            self._answer({"access_token": f"t{len(asked)}", "expires_in": 3600})

        def log_message(self, *_: object) -> None:
            pass

    key = tmp_path / "key.json"
    key.write_text(json.dumps({"client_id": "alpes", "client_secret": CANARY, "issuer_url": "http://127.0.0.1:1"}))
    as_base64 = base64.b64encode(key.read_bytes()).decode()
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        parameters = {
            issuer: f"http://127.0.0.1:{server.server_port}",
            private_key: key.as_uri() if form == "file" else f"data:application/json;base64,{as_base64}",
            "audience": "pulsar",
        }
        file = tmp_path / "client.conf"
        plugin = "org.apache.pulsar.client.impl.auth.oauth2.AuthenticationOAuth2"
        file.write_text(f"authPlugin={plugin}\nauthParams={json.dumps(parameters)}\n")
        security = from_environment({CLIENT_CONF: str(file)})
        assert security.token is not None
        assert security.token() == security.token() == "t1"
        key.write_text(key.read_text().replace("alpes", "tienda"))
        assert security.token() == ("t3" if form == "file" else "t1")
        server.shutdown()
        thread.join()
    assert [path for path, _ in asked[:2]] == ["/.well-known/openid-configuration", "/token"]
    assert asked[1][1] == f"grant_type=client_credentials&client_id=alpes&client_secret={CANARY}&audience=pulsar"


def test_keys_are_made_once_and_are_nobody_elses(tmp_path: Path) -> None:
    first = Authority(tmp_path / "keys")
    files = [first.certificate, *first.server("broker", ["127.0.0.1", "localhost"])]
    public = Signer(tmp_path / "keys").public.read_bytes()
    contents = [file.read_bytes() for file in files]
    second = Authority(tmp_path / "keys")
    second.server("broker", ["127.0.0.1"])
    assert [file.read_bytes() for file in files] == contents
    assert Signer(tmp_path / "keys").public.read_bytes() == public
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "keys").iterdir()} == {0o600}
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
