"""Functions run in another way for a while, and are put back whatever happens."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import variants
from bench.system import SERVICES, System
from connection.functions import Instances
from deployment import instances
from schemas.tienda.topics import NAMESPACE


class World:
    """The functions as Pulsar has them, changed by what would be `pulsar-admin functions …`."""

    def __init__(self) -> None:
        self.config: dict[str, dict[str, Any]] = {
            name: {"userConfig": {"dsn_env": name, "batch_max": 1000.0}, "parallelism": 1} for name in SERVICES
        }
        self.running = set(self.config)
        self.calls: list[tuple[str, str]] = []

    def get(self, path: str) -> Any:
        return self.config[path.rpartition("/")[2]]

    def functions(self, command: str, *arguments: str) -> None:
        options = dict(zip(arguments[::2], arguments[1::2], strict=True))
        name = options["--name"]
        assert f"{options['--tenant']}/{options['--namespace']}" == NAMESPACE
        self.calls.append((command, name))
        if "--user-config" in options:
            self.config[name]["userConfig"] = json.loads(options["--user-config"])
        if "--parallelism" in options:
            self.config[name]["parallelism"] = int(options["--parallelism"])
        if command == "stop":
            self.running.discard(name)
        if command == "start":
            self.running.add(name)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(instances, "wait_running", lambda *_arguments, **_more: None)
    monkeypatch.setattr(instances, "find", lambda config, _api: Instances(1, int(config.name in made.running), ()))
    return made


@pytest.fixture
def system(world: World) -> System:
    made = System("pulsar://x", "http://x", Path("pulsar-admin"), {}, None, own=True)
    made.__dict__.update(api=world, cli=world)
    return made


def fail_if(condition: bool) -> None:
    if condition:
        raise ZeroDivisionError


def test_a_changed_key_leaves_the_others_and_is_put_back(world: World, system: System) -> None:
    before = json.dumps(world.config)
    with variants.configured(system, variants.BATCHES_OF_ONE):
        assert {name: config["userConfig"] for name, config in world.config.items()} == {
            name: {"dsn_env": name, "batch_max": 1} for name in world.config
        }
    assert json.dumps(world.config) == before


def test_it_is_put_back_after_a_failure_too(world: World, system: System) -> None:
    before = json.dumps(world.config)
    with pytest.raises(ZeroDivisionError), variants.configured(system, variants.WITHOUT_STATE):
        fail_if(world.config["ordenes"]["userConfig"]["state_per_order"] is False)
    assert json.dumps(world.config) == before


def test_without_changes_nothing_is_restarted(world: World, system: System) -> None:
    with variants.configured(system, {}):
        pass
    with variants.scaled(system, dict.fromkeys(world.config, 1)):
        pass
    assert world.calls == []


def test_functions_are_scaled_and_scaled_back(world: World, system: System) -> None:
    with variants.scaled(system, {"pagos": 4, "ordenes": 1}):
        assert {name for name, config in world.config.items() if config["parallelism"] == 4} == {"pagos"}
    assert {config["parallelism"] for config in world.config.values()} == {1}
    assert world.calls == [("update", "pagos")] * 2


def test_stopped_functions_start_again(world: World, system: System) -> None:
    with pytest.raises(ZeroDivisionError), variants.stopped(system):
        fail_if(not world.running)
    assert world.running == set(world.config)
