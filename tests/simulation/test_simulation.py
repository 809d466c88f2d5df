"""Hundreds of seeds hold, and a replay of a seed is identical."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.tienda import note
from tests.simulation.__main__ import fresh
from tests.simulation.aims import CRASH, HOLD, Aim, Run, missing, parse, remember
from tests.simulation.checks import BUSINESS, violations, without_faults
from tests.simulation.scheduler import Met, Pair
from tests.simulation.world import CALM, ORDERS, World

ROOT = Path(__file__).parents[2]
SEEDS = 300
COMMANDS_SEEDS = 10_000
"""How many the command runs by itself; that takes ten minutes on two cores."""
FUNCTIONS_IN_TABLE = ("ordenes ", "pagos ", "reporting ")


def simulate(*arguments: str, timeout: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # What only computes gives way to what is timed, and may run beside it.
        ["nice", sys.executable, "-m", "tests.simulation", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("seeds", "drawn"), [(100, 50), pytest.param(SEEDS, 150, marks=pytest.mark.extended)])
def test_every_seed_holds_those_drawn_anew_each_time_too_and_no_pair_of_steps_is_left_whole(
    seeds: int, drawn: int
) -> None:
    started = time.monotonic()
    done = simulate("--seeds", str(seeds), "--fresh", str(drawn), timeout=850)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
    assert f"{drawn} of them drawn with ALPES_SEED=" in done.stdout
    note(f"simulation, {time.monotonic() - started:.0f} s; how often each pair of steps was cut:\n{done.stdout}")


def test_without_faults_every_order_ends_approved_or_rejected() -> None:
    world = World(7, CALM)
    world.run()
    assert violations(world) == []
    rows = world.servers["ordenes"].rows("ordenes")
    assert len(rows) == ORDERS
    assert {row["status"] for row in rows} == {"aprobada", "rechazada"}
    assert {tuple(row[c] for c in ("id", "status")) for row in rows} <= {
        (order["id"], order["status"]) for order in without_faults()["ordenes"].values()
    }


@pytest.fixture(scope="module")
def ended() -> World:
    """Return the first world in which one order was paid back and another one approved."""
    for seed in range(1, 50):
        world = World(seed)
        world.run()
        assert violations(world) == []
        if {"aprobada", "reembolsada"} <= {row["status"] for row in world.servers["ordenes"].rows("ordenes")}:
            return world
    pytest.fail("no order is ever paid back")


@pytest.mark.parametrize(
    ("service", "table", "column"),
    [
        *(("ordenes", "ordenes", column) for column in BUSINESS["ordenes"] if column != "id"),
        *(("pagos", "transacciones", column) for column in BUSINESS["transacciones"] if column != "order_id"),
        *(("pagos", "reembolsos", column) for column in ("transaction_id", "amount_cents", "currency")),
        *(("reporting", "ordenes", column) for column in BUSINESS["reporting"] if column != "id"),
    ],
)
def test_a_business_column_that_says_something_else_is_noticed(
    ended: World, service: str, table: str, column: str
) -> None:
    status = "reembolsada" if table == "reembolsos" else "aprobada"
    order_id = next(row["id"] for row in ended.servers["ordenes"].rows("ordenes") if row["status"] == status)
    row = ended.servers[service].tables[table][order_id]
    before = row[column]
    row[column] = before + 1 if isinstance(before, int) else f"{before}x"
    try:
        assert any(each.startswith(order_id) for each in violations(ended))
    finally:
        row[column] = before


@pytest.mark.timeout(600)
def test_a_seed_is_replayed_step_by_step_and_always_alike() -> None:
    first, second = simulate("4711", timeout=280), simulate("4711", timeout=280)
    assert first.returncode == 0
    assert first.stdout == second.stdout
    assert "ordenes commit" in first.stdout
    assert first.stdout.rstrip().endswith("everything held")


@pytest.mark.timeout(600)
def test_whatever_chance_left_out_is_aimed_at_until_nothing_is() -> None:
    done = simulate("--seeds", "8", timeout=280)
    assert done.returncode == 0, done.stdout
    rows = [line.rsplit(maxsplit=3)[1:3] for line in done.stdout.splitlines() if line.startswith(FUNCTIONS_IN_TABLE)]
    assert len(rows) > 70
    assert not any("0" in row for row in rows)
    assert "not interrupted by chance, so aimed at: python -m tests.simulation " in done.stdout


@pytest.mark.parametrize(("how", "died", "others_ran"), [(CRASH, 1, 0), (HOLD, 0, 1)])
def test_an_aimed_run_is_its_seed_until_the_steps_are_met_and_struck_there(
    how: str, died: int, others_ran: int
) -> None:
    aim = Aim("ordenes commit", "start", "begin", how)
    plain, aimed = (World(4711, aims=aims, traced=True) for aims in ((), [aim]))
    plain.run()
    aimed.run()
    assert violations(aimed) == []
    assert plain.scheduler.trace
    assert aimed.scheduler.trace
    struck = next(n for n, (_, _, step) in enumerate(aimed.scheduler.trace) if step == f"** {how} of {aim.actor}")
    assert aimed.scheduler.trace[:struck] == plain.scheduler.trace[:struck]
    assert aimed.incidents[f"aimed {how}"] >= 1
    met = aimed.scheduler.pairs[aim.pair]
    assert met.died >= died
    assert met.others_ran >= others_ran


def test_what_a_function_never_went_through_is_missing_and_the_client_need_not_die() -> None:
    pairs = {
        ("client", "send", "send"): Met(went_on=9),
        ("pagos commit", "begin", "statement"): Met(went_on=9, died=1),
        ("ordenes commit", "begin", "statement"): Met(others_ran=1, died=1),
        ("ordenes commit", "undo", "begin"): Met(others_ran=1),
    }
    assert list(map(str, missing(pairs))) == ["ordenes commit/undo/begin/crash", "pagos commit/begin/statement/hold"]


def test_the_run_with_the_least_aiming_and_the_lowest_seed_is_remembered() -> None:
    first: dict[Pair, Run] = {}
    pair = ("ordenes commit", "undo", "begin")
    for run in (Run(1, (Aim(*pair, CRASH),)), Run(9), Run(5), Run(7)):
        remember(first, run, [pair])
    assert first == {pair: Run(5)}


def test_an_aim_is_read_as_it_is_shown() -> None:
    aim = Aim("ordenes commit", "undo", "begin", CRASH)
    assert parse(str(aim)) == aim
    assert Run(12, (aim,)).command == "python -m tests.simulation 12 --aim 'ordenes commit/undo/begin/crash'"
    with pytest.raises(ValueError, match="neither crash nor hold"):
        parse("ordenes commit/undo/begin/boom")


def test_fresh_seeds_are_those_of_their_base_and_none_of_the_usual_ones() -> None:
    assert fresh("7", 300) == fresh("7", 300) != fresh("8", 300)
    assert len({run.seed for run in fresh("7", 300)}) == 300
    assert min(run.seed for run in fresh("7", 300)) > COMMANDS_SEEDS
