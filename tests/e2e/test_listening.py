"""The plain stack, too, is no open door: what it listens on beyond loopback is known, and what protects that."""

from local_stack.settings import from_environment
from tests.e2e.tienda import Tienda
from tests.listening import beyond_loopback, is_served_by_zookeeper, listening


def test_only_zookeeper_and_the_state_store_are_reachable_from_elsewhere(stack: Tienda) -> None:
    settings = from_environment(stack.environment)
    assert beyond_loopback(settings) == {"java": {settings.ports.zookeeper, settings.ports.state}}
    # Broker, admin API, bookie, HTTP API, PostgreSQL, and two ports of each function.
    assert listening(settings) >= 13


def test_zookeeper_serves_nobody_who_does_not_know_the_password(stack: Tienda) -> None:
    assert not is_served_by_zookeeper(from_environment(stack.environment))
