"""The totals in the state store follow the tables, whatever is lost or unreachable."""

from collections.abc import Mapping

import pytest

from alpes_runtime.database import Transaction
from alpes_runtime.errors import Unavailable
from alpes_runtime.testing import FakeClock, FakeStateStore, instance_context
from alpes_runtime.views._totals import Totals
from tests.fakes import FakeDatabase


@pytest.fixture
def state() -> FakeStateStore:
    return FakeStateStore()


def totals(values: dict[str, str], database: FakeDatabase, state: FakeStateStore, clock: FakeClock) -> Totals:
    def compute(_transaction: Transaction) -> Mapping[str, str]:
        clock.now += float(values.get("cost", 0))
        return {key: value for key, value in values.items() if key != "cost"}

    return Totals(compute, database, state, instance_context(clock=clock), obsolete=["total_cents:aprobada"])


def test_totals_are_written_when_they_change_and_once_more_to_be_sure(state: FakeStateStore) -> None:
    values = {"total:aprobada": "1"}
    view = totals(values, FakeDatabase({}), state, FakeClock())
    for _ in range(5):
        view.step()
    assert state.puts == [{"total:aprobada": "1"}] * 2
    values["total:aprobada"] = "2"
    for _ in range(5):
        view.step()
    assert state.puts[2:] == [{"total:aprobada": "2"}] * 2


def test_totals_are_written_again_after_a_minute_so_that_a_lost_store_heals(state: FakeStateStore) -> None:
    clock = FakeClock()
    view = totals({"total:aprobada": "1"}, FakeDatabase({}), state, clock)
    for _ in range(5):
        view.step()
    state.values.clear()
    clock.now += Totals.AGAIN_EVERY_S - 1
    view.step()
    assert state.values == {}
    clock.now += 1
    for _ in range(5):
        view.step()
    assert state.values == {"total:aprobada": "1"}
    assert len(state.puts) == 3


def test_totals_that_could_not_be_written_are_written_later(state: FakeStateStore) -> None:
    view = totals({"total:aprobada": "1"}, FakeDatabase({}), state, FakeClock())
    state.fail()
    with pytest.raises(Unavailable):
        view.step()
    view.step()
    assert state.values == {"total:aprobada": "1"}


def test_a_count_that_fails_after_a_long_time_costs_as_long_a_pause_as_one_that_ends(state: FakeStateStore) -> None:
    clock, database = FakeClock(), FakeDatabase({})
    database.fail("commit")
    view = totals({"total:aprobada": "1", "cost": "25"}, database, state, clock)
    with pytest.raises(Unavailable):
        view.step()
    assert clock.waits == [25 * Totals.COST_FACTOR]
    view.step()
    assert state.values == {"total:aprobada": "1"}


@pytest.mark.parametrize(("cost", "pause"), [("0", 1.0), ("0.01", 1.0), ("2", 60.0)])
def test_totals_take_a_small_share_of_the_database_at_any_size(cost: str, pause: float, state: FakeStateStore) -> None:
    view = totals({"cost": cost}, FakeDatabase({}), state, FakeClock())
    assert view.step() == pytest.approx(pause)


def test_keys_of_an_earlier_version_are_removed_also_if_one_of_its_instances_writes_them_again(
    state: FakeStateStore,
) -> None:
    clock = FakeClock()
    view = totals({"total:aprobada": "1"}, FakeDatabase({}), state, clock)
    for _ in range(2):
        state.values["total_cents:aprobada"] = "1250"
        view.step()
        assert state.values == {"total:aprobada": "1"}
        clock.now += Totals.AGAIN_EVERY_S
