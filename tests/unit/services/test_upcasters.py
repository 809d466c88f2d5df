"""Every published version of a message about an order is read as the newest one."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.tienda import upcasters
from schemas.tienda.cambios import Cambio, cambio
from schemas.tienda.upcasters.orders import M
from schemas.tienda.upcasters.v0_to_v1 import derived_total_cents
from schemas.tienda.v1.ordenes_pb2 import CrearOrden, Direccion, OrdenActualizada, OrdenCreada
from tests.fields import text
from tests.unit.services.wire import PUBLISHED_MS, seed_order

GOLDEN = Path(__file__).parents[2] / "contract" / "golden"
KINDS: list[Any] = [CrearOrden, OrdenCreada, OrdenActualizada]
EVENTS: list[Any] = [OrdenCreada, OrdenActualizada]
PARTS = {"calle": "Calle 93", "numero": "13-24", "ciudad": "Bogotá", "pais": "CO"}


def golden(name: str) -> bytes:
    return bytes.fromhex(json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))["hex"])


def newest(message: M) -> M:
    return upcasters.newest(message, lambda: PUBLISHED_MS)


def of_version_1(kind: Any, **changes: Any) -> Any:
    fields = {"id": "a", "address": "Calle 93", "total_cents": 5, "currency": "COP", "created_at_ms": 7}
    if kind is OrdenActualizada:
        fields |= {"version": 2, "updated_at_ms": 8}
    return kind(**fields | {"schema_version": 1} | changes)


@pytest.mark.parametrize("kind", KINDS)
def test_version_0_gets_what_version_1_added_and_then_what_version_2_added(kind: Any) -> None:
    read = newest(kind.FromString(seed_order("a")))
    assert (read.total_cents, read.currency) == (derived_total_cents("a"), "USD")
    assert read.created_at_ms == PUBLISHED_MS
    assert (read.id, read.client_id, read.address) == ("a", 42, "Calle 93")
    if kind is OrdenActualizada:
        assert (read.version, read.updated_at_ms) == (1, PUBLISHED_MS)
    assert read.HasField("direccion") == (kind is not CrearOrden)


@pytest.mark.parametrize("kind", EVENTS)
def test_the_line_of_an_event_of_version_1_becomes_the_street(kind: Any) -> None:
    assert newest(of_version_1(kind)).direccion == Direccion(calle="Calle 93")


def test_a_command_keeps_its_line_alone() -> None:
    assert newest(of_version_1(CrearOrden)) == of_version_1(CrearOrden)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [upcasters.NEWEST, upcasters.NEWEST + 1, 2**31 - 1])
def test_what_is_newest_or_newer_still_is_read_as_it_is(kind: Any, version: int) -> None:
    later = of_version_1(kind, schema_version=version, direccion=PARTS).SerializeToString() + text(1900, "nuevo")
    message = kind.FromString(later)
    assert upcasters.newest(message, lambda: pytest.fail("nobody needs to know")) is message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("gap", [{"currency": ""}, {"created_at_ms": 0}, {"total_cents": None}], ids=str)
def test_a_gap_that_a_sender_may_leave_is_filled_at_every_version(kind: Any, version: int, gap: dict[str, Any]) -> None:
    read = newest(of_version_1(kind, schema_version=version, **gap))
    assert read.HasField("total_cents")
    assert read.currency
    assert read.created_at_ms


def test_a_total_of_zero_is_no_gap() -> None:
    assert newest(of_version_1(OrdenCreada, total_cents=0)).total_cents == 0


numbers = st.integers(-(2**31), 2**31 - 1)
fields = st.fixed_dictionaries(
    {},
    optional={
        "id": st.text(max_size=5),
        "address": st.text(max_size=5),
        "total_cents": numbers,
        "currency": st.sampled_from(["", "USD", "COP"]),
        "created_at_ms": numbers,
        "schema_version": st.integers(-1, 4),
        "direccion": st.fixed_dictionaries({}, optional={part: st.text(max_size=5) for part in PARTS}),
    },
)


@pytest.mark.parametrize("kind", KINDS)
@given(content=fields, published_ms=st.integers(1, 2**62))
def test_a_step_changes_nothing_that_it_is_given_and_fills_only_gaps(
    kind: Any, content: dict[str, Any], published_ms: int
) -> None:
    for step in upcasters.STEPS:
        given_message, before = kind(**content), kind(**content)
        newer = step(given_message, published_ms)
        assert given_message == before
        assert newer == step(kind(**content), published_ms), "the same message in, the same message out"
        for field, value in before.ListFields():
            if field.name != "version":
                assert getattr(newer, field.name) == value
        assert step(newer, published_ms + 1) == newer, "a second time there is nothing to fill in"


@pytest.mark.parametrize("kind", KINDS)
@given(content=fields)
def test_the_newest_version_of_the_newest_version_is_the_same(kind: Any, content: dict[str, Any]) -> None:
    once = newest(kind(**content))
    assert newest(once) == once


def test_there_is_one_file_for_each_step() -> None:
    folder = Path(upcasters.__file__).parent
    steps = [f"v{n}_to_v{n + 1}" for n in range(upcasters.NEWEST)]
    assert sorted(path.stem for path in folder.glob("v*.py")) == steps
    assert [step.__module__.rpartition(".")[2] for step in upcasters.STEPS] == steps


def test_a_change_says_the_same_in_versions_1_and_2() -> None:
    read = [cambio(golden(f"orden-actualizada.{name}"), lambda: PUBLISHED_MS) for name in ("1", "2", "2-line-alone")]
    assert read[0] == read[1] == read[2]
    assert isinstance(read[0], Cambio)
