"""What the environment may choose about a local stack, and what is refused."""

from pathlib import Path

import pytest

from local_stack.errors import LocalStackError
from local_stack.settings import PULSAR_SHA512, PULSAR_VERSION, from_environment


def test_without_variables_all_is_in_the_checkout_and_the_users_cache() -> None:
    settings = from_environment({})
    assert settings.home.name == ".alpes"
    assert settings.cache == Path.home() / ".cache" / "alpes"
    assert settings.service_url == "pulsar://127.0.0.1:6650"
    assert settings.admin_url == "http://127.0.0.1:8080"
    assert (settings.version, settings.sha512) == (PULSAR_VERSION, PULSAR_SHA512)


def test_the_offset_shifts_every_port_alike() -> None:
    home = {"ALPES_HOME": "/no/stack/here"}
    usual, shifted = from_environment(home).ports, from_environment({**home, "ALPES_PORT_OFFSET": "100"}).ports
    assert usual.of_pulsar() == {
        "Pulsar's broker": 6650,
        "Pulsar's admin REST API": 8080,
        "ZooKeeper": 2181,
        "BookKeeper": 3181,
        "the state store": 4181,
    }
    assert (usual.postgres, shifted.postgres) == (54320, 54420)
    assert shifted.of_pulsar() == {purpose: port + 100 for purpose, port in usual.of_pulsar().items()}


@pytest.mark.parametrize("offset", ["x", "-1", "1.5", "60000"])
def test_an_offset_that_cannot_be_is_refused_by_name(offset: str) -> None:
    with pytest.raises(LocalStackError, match="ALPES_PORT_OFFSET"):
        from_environment({"ALPES_PORT_OFFSET": offset})


def test_the_cache_is_where_xdg_says_unless_ours_is_set(tmp_path: Path) -> None:
    assert from_environment({"XDG_CACHE_HOME": str(tmp_path)}).cache == tmp_path / "alpes"
    both = {"XDG_CACHE_HOME": str(tmp_path), "ALPES_CACHE": str(tmp_path / "own")}
    assert from_environment(both).cache == tmp_path / "own"


def test_another_version_needs_its_own_checksum() -> None:
    with pytest.raises(LocalStackError, match="ALPES_PULSAR_SHA512"):
        from_environment({"ALPES_PULSAR_VERSION": "4.0.9"})
    other = from_environment({"ALPES_PULSAR_VERSION": "4.0.9", "ALPES_PULSAR_SHA512": "AB"})
    assert (other.version, other.sha512) == ("4.0.9", "ab")
