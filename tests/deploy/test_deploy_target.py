"""Where the environment says to deploy, and the message if it names a target only in part."""

import os
from pathlib import Path

import pytest

from connection.admin import Admin
from deployment import function_configs
from deployment.errors import TargetError
from deployment.target import is_local, pulsar_admin, resolve
from local_stack import broker, environment
from local_stack.settings import from_environment
from tests.deploy.conftest import Checkout

CLUSTER = {
    "PULSAR_SERVICE_URL": "pulsar://pulsar.example:6650",
    "PULSAR_ADMIN_URL": "http://pulsar.example:8080",
    **{
        config.dsn_variable: f"postgresql://{name}:secreta@db.example/{name}"
        for name, config in function_configs.load().items()
    },
}


def configs() -> list[function_configs.PulsarFunctionConfig]:
    return list(function_configs.load().values())


@pytest.fixture
def local(checkout: Checkout) -> dict[str, str]:
    """What the environment is beside a local stack."""
    return dict(os.environ)


def test_an_environment_that_names_nothing_means_the_local_stack(local: dict[str, str]) -> None:
    assert is_local(configs(), local)
    target = resolve(configs(), local)
    assert target.local is not None
    assert target.service_url == target.local.service_url
    assert set(target.dsns) == {name for name in CLUSTER if name.endswith("_DSN")}


def test_what_env_printed_means_the_local_stack_too(local: dict[str, str]) -> None:
    assert is_local(configs(), {**local, **environment.variables(from_environment(local))})


def test_a_whole_cluster_in_the_environment_is_the_target(local: dict[str, str]) -> None:
    target = resolve(configs(), {**local, **CLUSTER})
    assert target.local is None
    assert target.admin_url == CLUSTER["PULSAR_ADMIN_URL"]
    assert target.dsns == {name: dsn for name, dsn in CLUSTER.items() if name.endswith("_DSN")}


def test_a_cluster_needs_no_local_stack(no_cluster_in_the_environment: None, tmp_path: Path) -> None:
    assert resolve(configs(), {"ALPES_HOME": str(tmp_path / "none"), **CLUSTER}).local is None


@pytest.mark.parametrize("missing", sorted(CLUSTER))
def test_a_part_of_a_cluster_is_refused_by_what_is_missing_and_shows_no_password(
    local: dict[str, str], missing: str
) -> None:
    given = {name: value for name, value in CLUSTER.items() if name != missing}
    with pytest.raises(TargetError) as refused:
        resolve(configs(), {**local, **given})
    text = str(refused.value)
    assert f"not {missing}:" in text
    assert "secreta" not in text
    assert "\n" not in text


def test_one_function_needs_its_own_database_only(local: dict[str, str]) -> None:
    chosen = function_configs.select(function_configs.load(), ["ordenes"])
    own = {"ALPES_ORDENES_DSN": CLUSTER["ALPES_ORDENES_DSN"]}
    given = {name: value for name, value in CLUSTER.items() if not name.endswith("_DSN")}
    assert resolve(chosen, {**local, **given, **own}).dsns == own


def test_databases_of_an_earlier_local_stack_are_told_from_a_cluster(
    local: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Running:
        def running(self) -> int:
            return 1

    monkeypatch.setattr(broker, "pid_file", lambda settings: Running())
    own = environment.variables(from_environment(local))
    with pytest.raises(TargetError) as refused:
        resolve(configs(), {**local, **own, "ALPES_PAGOS_DSN": CLUSTER["ALPES_PAGOS_DSN"]})
    assert "but ALPES_PAGOS_DSN differs from the stack's value" in str(refused.value)
    assert "ALPES_ORDENES_DSN" not in str(refused.value)
    assert "secreta" not in str(refused.value)


def test_pulsar_admin_is_the_one_that_the_user_names(local: dict[str, str], tmp_path: Path) -> None:
    named = {**local, **CLUSTER, "PULSAR_ADMIN": str(tmp_path / "mine")}
    assert pulsar_admin(resolve(configs(), named), named) == tmp_path / "mine"


@pytest.fixture
def unnamed(local: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """No variable names a pulsar-admin; the local stack has one, and one is on the PATH."""
    own = from_environment(local).pulsar_admin
    found = tmp_path / "tools" / "pulsar-admin"
    for path in (own, found):
        path.parent.mkdir()
        path.touch(mode=0o755)
    return {**{name: value for name, value in local.items() if name != "PULSAR_ADMIN"}, "PATH": str(found.parent)}


def test_the_local_stack_has_its_own_pulsar_admin(unnamed: dict[str, str]) -> None:
    assert pulsar_admin(resolve(configs(), unnamed), unnamed) == from_environment(unnamed).pulsar_admin


def test_a_cluster_is_spoken_to_with_the_pulsar_admin_on_the_path(unnamed: dict[str, str], tmp_path: Path) -> None:
    found = pulsar_admin(resolve(configs(), {**unnamed, **CLUSTER}), {**unnamed, **CLUSTER})
    assert found == tmp_path / "tools" / "pulsar-admin"


def test_without_one_on_the_path_the_local_stacks_serves_a_cluster_too(unnamed: dict[str, str], tmp_path: Path) -> None:
    bare = {**unnamed, **CLUSTER, "PATH": str(tmp_path / "empty")}
    assert pulsar_admin(resolve(configs(), bare), bare) == from_environment(bare).pulsar_admin


def test_a_proxy_of_the_users_is_not_asked_for_this_machine(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    api = Admin(resolve(configs()).admin_url)
    assert api.get("/admin/v2/clusters") == ["standalone"]
