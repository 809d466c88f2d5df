"""An instance's command line becomes a place to connect to, and no secret is shown."""

from pathlib import Path

import pytest

from alpes_wire import Endpoint, WireError, endpoint_of

URL = "pulsar://127.0.0.1:6650"


def arguments(**options: str) -> list[str]:
    return ["main.py", *(word for name, value in options.items() for word in (f"--{name}", value))]


def test_an_instance_without_authentication() -> None:
    endpoint = endpoint_of(arguments(pulsar_serviceurl=URL, use_tls="false"))
    assert endpoint == Endpoint(URL)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080", "", "nonsense"])
def test_what_is_no_address_of_a_broker_is_none(url: str) -> None:
    assert endpoint_of(arguments(pulsar_serviceurl=url)) is None


def test_a_token_is_given_and_never_shown() -> None:
    plugin = "org.apache.pulsar.client.impl.auth.AuthenticationToken"
    endpoint = endpoint_of(
        arguments(pulsar_serviceurl=URL, client_auth_plugin=plugin, client_auth_params="token:secreto")
    )
    assert endpoint is not None
    assert (endpoint.auth_method, endpoint.auth_data()) == ("token", b"secreto")
    assert "secreto" not in repr(endpoint)


def test_a_token_in_a_file_is_read_anew_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("old\n")
    endpoint = endpoint_of(
        arguments(pulsar_serviceurl=URL, client_auth_plugin="token", client_auth_params=f"file://{file}")
    )
    assert endpoint is not None
    assert endpoint.auth_data() == b"old"
    file.write_text("new\n")
    assert endpoint.auth_data() == b"new"


def test_an_unknown_authentication_is_none() -> None:
    plugin = "org.apache.pulsar.client.impl.auth.AuthenticationSasl"
    assert endpoint_of(arguments(pulsar_serviceurl=URL, client_auth_plugin=plugin, client_auth_params="x")) is None


def test_several_brokers_and_usual_ports() -> None:
    assert Endpoint("pulsar+ssl://a,b:7000/").addresses() == [("a", 6651, True), ("b", 7000, True)]
    assert Endpoint(URL).addresses("pulsar://[::1]:1") == [("::1", 1, False)]


@pytest.mark.parametrize("url", ["pulsar://", "pulsar://a:b", "http://a", "http://a:8080", "a:6650"])
def test_a_wrong_address_is_named(url: str) -> None:
    with pytest.raises(WireError, match="is no address of a Pulsar broker"):
        Endpoint(url).addresses()
