"""`alpes autoscale` against a Pulsar's admin API: what it reads, what it changes, and what it says."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from autoscale.looking import Counters, Looking, arrived_per_s, done_per_s, restarted
from autoscale.loop import Autoscaler, Line, limits
from autoscale.spreading import uneven
from client.cli import alpes
from connection.admin import Admin
from deployment import function_configs
from tests.unit.autoscale.pulsar_stub import FUNCTION, Stub, running

PAGOS = [function_configs.load()["pagos"]]
CHANGE = ("PUT", f"{FUNCTION}pagos")
REBALANCE = ("PUT", "/admin/v2/worker/rebalance")


@pytest.fixture
def pulsar() -> Iterator[Stub]:
    with running(Stub()) as stub:
        yield stub


class World:
    """An autoscaler whose clock a test moves on."""

    def __init__(self, pulsar: Stub, *, dry_run: bool = False) -> None:
        self.pulsar, self.now_s = pulsar, 0.0
        admin = Admin(pulsar.url, pauses_s=())
        self._scaler = Autoscaler(admin, PAGOS, Looking(admin, lambda: self.now_s), dry_run=dry_run)

    def look(self, *, arrive: int = 500, process: int = 500) -> list[Line]:
        """Let 5 seconds pass."""
        self.now_s += 5
        self.pulsar.arrived += arrive
        self.pulsar.processed += process // self.pulsar.parallelism["pagos"]
        return list(self._scaler.step())


def test_a_look_has_what_waits_and_is_due_in_messages_and_what_gets_done_each_second(pulsar: Stub) -> None:
    pulsar.backlog, pulsar.delayed = 7, 5
    world = World(pulsar)
    world.look()
    load = world.look(arrive=1000, process=800)[0].load
    assert load is not None
    assert (load.waiting, load.arrived_per_s, load.done_per_s) == (100, 200.0, 160.0)
    assert (load.cpu_cores, load.memory_bytes, load.on) == ((0.1,), (100_000_000,), ("w0",))


def test_timers_neither_wait_nor_arrive_until_they_are_due(pulsar: Stub) -> None:
    world = World(pulsar)
    world.look()
    pulsar.backlog = pulsar.delayed = 1000
    load = world.look(arrive=1000, process=0)[0].load
    assert load is not None
    assert (load.waiting, load.arrived_per_s) == (0, 0.0)
    pulsar.delayed = 0
    load = world.look(arrive=0, process=0)[0].load
    assert load is not None
    assert (load.waiting, load.arrived_per_s) == (50_000, 100.0)


def test_a_busy_function_gets_more_instances_and_then_is_left_in_peace(pulsar: Stub) -> None:
    pulsar.cpu_cores = 0.9
    world = World(pulsar)
    said = [world.look()[0] for _ in range(12)]
    changed = [line for line in said if line.changed]
    assert pulsar.asked == [CHANGE]
    assert pulsar.parallelism["pagos"] == 2
    assert [line.text for line in changed] == ["1 → 2: 0.90 of 1 cores busy in each of 1"]


def test_work_that_takes_longer_than_a_look_gets_more_instances(pulsar: Stub) -> None:
    pulsar.backlog = 10
    world = World(pulsar)
    said = [world.look(arrive=0, process=0 if number % 3 else 6)[0] for number in range(12)]
    assert [line.text for line in said if line.changed] == [
        "1 → 2: 500 messages wait, 1250 s of work at 0 a second",
    ]


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(pulsar: Stub) -> None:
    pulsar.cpu_cores = 0.9
    world = World(pulsar, dry_run=True)
    said = [world.look()[0].text for _ in range(6)]
    assert said[-1] == "1 → 2: 0.90 of 1 cores busy in each of 1 (not done: --dry-run)"
    assert pulsar.asked == []


def test_a_refused_change_is_said_and_tried_again(pulsar: Stub) -> None:
    pulsar.cpu_cores, pulsar.refuses = 0.9, {f"{FUNCTION}pagos"}
    world = World(pulsar)
    said = [world.look()[0].text for _ in range(6)]
    assert "nothing is done" in said[-1]
    assert pulsar.asked == [CHANGE, CHANGE]
    pulsar.refuses = set()
    assert world.look()[0].changed


def test_a_function_that_is_not_deployed_or_not_answered_for_is_looked_for_again(pulsar: Stub) -> None:
    world = World(pulsar)
    world.look()
    status = f"{FUNCTION}pagos/status"
    pulsar.refuses = {status}
    assert "nothing is done: " in world.look()[0].text
    pulsar.refuses, pulsar.answers = set(), {status: None}
    assert world.look()[0].text == "is not deployed: run ./deploy.sh deploy pagos"
    pulsar.answers.clear()
    assert world.look()[0].load is not None


def two_workers(pulsar: Stub, held: dict[str, list[str]]) -> list[str]:
    """Let a busy function grow to two instances on a cluster of two workers; return what is said after that."""
    pulsar.cpu_cores, pulsar.answers["/admin/v2/worker/assignments"] = 0.9, held
    pulsar.answers["/admin/v2/worker/cluster"] = [{"workerId": "w0"}, {"workerId": "w1"}]
    world = World(pulsar)
    return [line.text for _ in range(8) for line in world.look()[1:]]


def test_after_a_change_pulsar_is_asked_to_rebalance_where_it_would_move_something(pulsar: Stub) -> None:
    said = two_workers(pulsar, {"w0": ["a:0", "b:0", "b:1"]})
    assert said == ["instances are unevenly spread over the workers: asked Pulsar to rebalance them"]
    assert pulsar.asked == [CHANGE, REBALANCE]


def test_the_worker_that_leads_is_asked_when_another_one_points_to_it(pulsar: Stub) -> None:
    with running(Stub()) as leader:
        pulsar.leader = leader.url
        two_workers(pulsar, {"w0": ["a:0", "b:0", "b:1"]})
        assert leader.asked == [REBALANCE]


def test_instances_that_pulsar_puts_on_one_worker_are_named(pulsar: Stub) -> None:
    said = two_workers(pulsar, {"w0": ["b:0", "b:1"], "w1": ["a:0", "c:0"]})
    assert said == [
        "all 2 instances run on worker w0: Pulsar evens out how many instances a worker has, not of which functions"
    ]
    assert pulsar.asked == [CHANGE]


def test_who_may_not_see_the_workers_still_scales_and_is_told_so_once(pulsar: Stub) -> None:
    pulsar.refuses = {"/admin/v2/worker/cluster"}
    pulsar.cpu_cores = 0.9
    world = World(pulsar)
    said = [line for _ in range(9) for line in world.look()]
    assert sum(line.changed for line in said) == 1
    assert [line.text for line in said if line.load is None] == [
        "how instances are spread can't be seen: this role may not list workers"
    ]


@pytest.mark.parametrize(
    ("each", "workers", "expected"),
    [((2, 2), 2, False), ((3, 1), 2, True), ((2,), 2, True), ((1,), 2, False), ((), 2, False)],
)
def test_uneven_is_what_a_rebalance_would_change(each: tuple[int, ...], workers: int, expected: bool) -> None:
    assert uneven(each, workers) is expected


def test_rates_of_instances_that_were_restarted_count_what_they_have_done_since() -> None:
    before = Counters(0.0, 1000, {0: 900, 1: 800})
    assert done_per_s(before, Counters(10.0, 1500, {0: 100, 1: 900})) == 20.0
    assert restarted(before, Counters(10.0, 1500, {0: 100, 1: 900}))
    assert not restarted(before, Counters(10.0, 1500, {0: 900, 1: 900, 2: 5}))
    assert done_per_s(None, before) is None
    assert arrived_per_s(before, Counters(10.0, 1500, {})) == 50.0
    assert arrived_per_s(before, Counters(10.0, None, {})) is None
    # The broker was restarted.
    assert arrived_per_s(before, Counters(10.0, 10, {})) == 0.0


def test_an_instance_that_may_use_two_cores_is_busy_with_one() -> None:
    (config,) = PAGOS
    assert limits(replace(config, values={**config.values, "resources": {"cpu": 2.0}})).cores == 1.0


def command(pulsar: Stub, *arguments: str) -> int:
    return int(alpes.run(["autoscale", "--admin-url", pulsar.url, "--every", "50ms", *arguments]) or 0)


def test_once_decides_after_two_looks_and_acts(pulsar: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    pulsar.cpu_cores = 0.9
    assert command(pulsar, "--once", "pagos") == 0
    assert "pagos      1 → 2: 0.90 of 1 cores busy" in capsys.readouterr().out
    assert pulsar.parallelism == {"ordenes": 1, "pagos": 2, "reporting": 1}


def test_once_says_that_it_brought_a_number_back_into_its_bounds(
    pulsar: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    pulsar.parallelism["pagos"] = 6
    assert command(pulsar, "--once", "pagos") == 0
    assert "pagos      6 → 4: 6 instances are outside the bounds 1 to 4" in capsys.readouterr().out
    assert pulsar.parallelism["pagos"] == 4


def test_json_has_an_object_a_line(pulsar: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(pulsar, "--once", "--dry-run", "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["function"], line["instances"], line["wanted"]) for line in lines] == [
        ("ordenes", 1, 1),
        ("pagos", 1, 1),
        ("reporting", 1, 1),
    ]
    assert lines[0]["load"]["cpu_cores"] == [0.1]


def test_an_unknown_function_and_a_pulsar_that_is_away_are_one_line(
    pulsar: Stub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(pulsar, "--once", "pago") == 2
    assert "There is no function 'pago'. Did you mean 'pagos'?" in capsys.readouterr().err
    assert int(alpes.run(["autoscale", "--once", "--every", "50ms", "--admin-url", "http://127.0.0.1:1"])) == 2
    assert "No Pulsar admin API at http://127.0.0.1:1" in capsys.readouterr().err
