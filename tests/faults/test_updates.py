"""While orders flow, functions get new code, a new release, more or fewer instances, or another intake."""

import random
from pathlib import Path

import pytest

from schemas.tienda.orden import FINAL_STATUSES
from schemas.tienda.topics import NAMESPACE
from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada, OrdenCreada
from tests.e2e.tienda import FUNCTIONS, ROOT, Tienda, alpes, configure, wait_replaced, wait_until
from tests.faults import breaking
from tests.faults.ordeal import LONG, SEED, SIZE, Ordeal, Size, often, settings_of
from tests.faults.packages import changed
from tests.stack import asked

RELEASE = ROOT / "tests" / "releases" / "0.1.0"
WRITER_OR_READERS = (("ordenes",), ("pagos", "reporting"))
"""Either Ordenes is new, and writes a version that its readers don't know; or its readers are, and it is not."""
FUNCTIONS_TRIED = FUNCTIONS if often(2, 1) == 2 else ("ordenes",)


@pytest.mark.parametrize("function", FUNCTIONS_TRIED)
def test_orders_survive_an_update_to_new_code(stack: Tienda, function: str, tmp_path: Path) -> None:
    good = ROOT / "build" / f"alpes-{function}.zip"
    with Ordeal(stack, f"update of {function} to new code and back", total=True) as ordeal:
        mark = f"version {ordeal.prefix}"
        new = changed(good, tmp_path, mark)
        for package in (new, good):
            old = stack.processes(function)
            with ordeal.fault():
                stack.update(function, "--py", str(package))
                wait_replaced(stack, function, old)
            ordeal.wait_normal()
        logs = (settings_of(stack).function_logs / NAMESPACE / function).glob("*.log*")
        assert any(mark in log.read_text(errors="replace") for log in logs), "the new code ran"
        ordeal.finish()


@pytest.mark.parametrize("function", FUNCTIONS_TRIED)
def test_orders_survive_scaling_from_one_to_three_and_back(stack: Tienda, function: str) -> None:
    with Ordeal(stack, f"scale of {function} 1→3→1") as ordeal:
        for number in (3, 1):
            with ordeal.fault():
                breaking.scale(stack, function, number)
            ordeal.wait_normal()
        ordeal.finish()


@pytest.mark.parametrize("function", FUNCTIONS_TRIED)
def test_orders_survive_a_switch_of_intake(stack: Tienda, function: str) -> None:
    with Ordeal(stack, f"intake of {function} direct→runtime→direct", total=True) as ordeal:
        for intake in ("runtime", "direct"):
            with ordeal.fault():
                configure(stack, function, stack.user_config(function) | {"intake": intake})
            ordeal.wait_normal()
        ordeal.finish()
    wait_until(lambda: stack.user_config(function)["intake"] == "direct", 5, "it takes in directly again")


@pytest.mark.parametrize("run", range(often(2, 1)))
def test_orders_survive_an_update_from_the_first_release(stack: Tienda, run: int) -> None:
    size = Size(10_000, 350) if LONG else SIZE
    first = random.Random(SEED).sample(WRITER_OR_READERS, 2)[run]
    for function in FUNCTIONS:
        config, package = RELEASE / f"{function}.yaml", RELEASE / f"alpes-{function}.zip"
        stack.recreate(function, "--function-config-file", str(config), "--py", str(package))
        stack.admin("PUT", f"/admin/v2/namespaces/{NAMESPACE}/properties", {f"{function}.deployed": "0.1.0"})
    breaking.wait_functions(stack)
    of_a_period = alpes("report", "--from", "2026-01-01", tienda=stack)
    assert of_a_period.returncode == 1
    assert "is of a version that makes no reports of a period" in of_a_period.stderr
    assert alpes("report", tienda=stack).returncode == 0
    old = {function: stack.processes(function) for function in FUNCTIONS}
    with Ordeal(stack, f"update from 0.1.0, {' and '.join(first)} first", size=size) as ordeal:
        for functions in (first, [function for function in FUNCTIONS if function not in first]):
            with ordeal.fault():
                done = asked(stack, "deploy", *functions, seconds=300)
                assert done.returncode == 0, done.stdout + done.stderr
                for function in functions:
                    assert f"{function} (update)" in done.stdout + done.stderr
                    wait_replaced(stack, function, old[function])
            ordeal.wait_normal()
            ordeal.rest(2, 4)
        ordeal.finish()
        for topic, kind in (("orden-creada", OrdenCreada), ("orden-actualizada", OrdenActualizada)):
            ours = (message for message in stack.read(topic) if message.partition_key().startswith(ordeal.prefix))
            versions = {kind.FromString(message.data()).schema_version for message in ours}
            assert versions == {1, 2}, topic
    # The checker has seen that every order was charged the number that its client sent, whatever its currency.
    assert ordeal.verdict is not None
    charged = {name: cents for name, cents in ordeal.verdict.figures.items() if name.startswith("pagos_cents:")}
    assert charged.keys() == {"pagos_cents:USD", "pagos_cents:JPY", "pagos_cents:KWD", "pagos_cents:EUR"}
    assert min(charged.values()) > 0
    former = [f"total_cents:{status}" for status in FINAL_STATUSES]
    wait_until(lambda: not any(stack.states("reporting", former).values()), 90, "the sums over all currencies are gone")
