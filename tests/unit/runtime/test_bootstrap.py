"""One function wires an instance, whose parts end in the right order."""

from functools import partial

import pytest

from alpes_runtime import FunctionConfig, InstanceContext, Service
from alpes_runtime.bootstrap import bootstrap
from alpes_runtime.errors import Misconfigured
from alpes_runtime.testing import FakeDatabase, FakeHost, FakePlatform
from tests.unit.runtime.parts import HANDLER, TOPIC


def build(_context: InstanceContext) -> Service:
    return Service({"crear-orden": HANDLER}, FakeDatabase({}), {})


CONFIG = FunctionConfig(dsn_env="NONE")


def test_consumers_are_closed_before_producers_whatever_fails_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    # Closing a consumer sends acknowledgements; closing a producer may wait for a broker that is away.
    instance = bootstrap(FakeHost(inputs=[TOPIC]), CONFIG, build, FakePlatform())
    closed: list[str] = []

    def close(name: str) -> None:
        closed.append(name)
        raise ConnectionError(name)

    for resource in instance._resources:
        monkeypatch.setattr(resource, "close", partial(close, type(resource).__name__))
    instance.close()
    assert closed == ["Deaths", "RuntimeIntake", "PulsarPublisher"]


def test_a_handler_without_an_input_is_a_misconfiguration() -> None:
    with pytest.raises(Misconfigured, match="the function reads crear-orden, but no configured input is named so"):
        bootstrap(FakeHost(inputs=[]), CONFIG, build, FakePlatform())


def test_where_the_broker_is_not_known_the_host_hands_messages_over(caplog: pytest.LogCaptureFixture) -> None:
    assert bootstrap(FakeHost(inputs=[TOPIC]), CONFIG, build, FakePlatform()).intake.name == "runtime"
    assert "intake is 'runtime' instead of 'direct'" in caplog.text
