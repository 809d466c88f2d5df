"""Reporting on PostgreSQL: the highest version stays, whatever the order of the changes; reports and totals agree."""

import csv
import io
import itertools
import json
import zlib
from dataclasses import replace

import pytest

from alpes_runtime import Done
from alpes_runtime.postgres import Postgres
from functions.reporting import store
from functions.reporting.domain import Pedido
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import BY, periodo
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from tests.integration.reporting import HANDLERS, actualizar, cambio
from tests.integration.server import Rows

SERVICE = "reporting"


def everything(database: Postgres) -> list[Cambio]:
    with database.transaction() as transaction:
        return list(store.orders_of(transaction, periodo()))


@pytest.mark.parametrize("together", [True, False], ids=["in one group", "one by one"])
def test_the_highest_version_stays_in_whatever_order_they_come(together: bool, database: Postgres) -> None:
    statuses = {1: "rechazada", 2: "expirada", 3: "aprobada", 4: "reembolsada"}
    orders = list(itertools.permutations(statuses))
    for number, order in enumerate(orders):
        batch = [cambio(f"o{number:02d}", version, statuses[version]) for version in order]
        for group in [batch] if together else [[one] for one in batch]:
            actualizar(database, *group)
    assert everything(database) == [cambio(f"o{number:02d}", 4, "reembolsada") for number in range(len(orders))]


def test_a_change_that_comes_again_changes_nothing(database: Postgres, rows: Rows) -> None:
    actualizar(database, cambio("a"), cambio("b"))
    before = rows("SELECT *, xmin::text FROM ordenes ORDER BY id")
    actualizar(database, cambio("b"), cambio("a"), cambio("a"))
    assert rows("SELECT *, xmin::text FROM ordenes ORDER BY id") == before


def test_every_order_comes_sorted_and_as_it_was_stored(database: Postgres) -> None:
    names = ["b", "B", "a", "_", "0", "-", "."]
    batch = [cambio(name, total_cents=n * 2**59, client_id=n - 3) for n, name in enumerate(names)]
    actualizar(database, *batch)
    assert everything(database) == sorted(batch)


def test_totals_are_those_of_the_table_and_name_every_final_status_and_currency(database: Postgres) -> None:
    actualizar(database, cambio("a"), cambio("b"), cambio("c", status="rechazada", total_cents=7, currency="JPY"))
    actualizar(database, cambio("a"))
    with database.transaction() as transaction:
        assert store.totals(transaction) == {
            "total:aprobada": "2",
            "total_cents:aprobada:JPY": "0",
            "total_cents:aprobada:USD": "2500",
            "total:rechazada": "1",
            "total_cents:rechazada:JPY": "7",
            "total_cents:rechazada:USD": "0",
            "total:expirada": "0",
            "total_cents:expirada:JPY": "0",
            "total_cents:expirada:USD": "0",
            "total:reembolsada": "0",
            "total_cents:reembolsada:JPY": "0",
            "total_cents:reembolsada:USD": "0",
        }


def test_a_total_may_be_larger_than_any_amount(database: Postgres) -> None:
    actualizar(database, *(cambio(f"o{n}", total_cents=2**63 - 1) for n in range(3)))
    with database.transaction() as transaction:
        assert store.totals(transaction)["total_cents:aprobada:USD"] == str(3 * (2**63 - 1))


def report(database: Postgres, name: str) -> bytes:
    with database.transaction() as transaction:
        (outcome,) = HANDLERS.generar(transaction, [Pedido("r", name, "")])
    assert isinstance(outcome, Done)
    parts = [ReporteGenerado.FromString(event.payload) for event in outcome.events]
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.error for part in parts} == {""}
    return b"".join(part.content for part in parts)


def test_a_report_of_many_parts_has_every_order_once(database: Postgres) -> None:
    actualizar(database, *(cambio(f"orden-{n:06d}") for n in range(12_000)))
    listed = list(csv.DictReader(io.StringIO(report(database, "csv").decode(), newline="")))
    assert [row["id"] for row in listed] == [f"orden-{n:06d}" for n in range(12_000)]
    whole = json.loads(report(database, "json"))
    assert [row["id"] for row in whole["orders"]] == [row["id"] for row in listed]
    assert whole["totals"] == {
        "aprobada": {"USD": {"orders": 12_000, "total_cents": 12_000 * 1250, "total": "150000.00"}}
    }


def test_a_report_of_more_orders_than_it_may_have_is_refused(database: Postgres) -> None:
    actualizar(database, *(cambio(f"o{n}") for n in range(3)))
    for most, refused in ((2, True), (3, False)):
        with database.transaction() as transaction:
            (outcome,) = replace(HANDLERS, most=most).generar(transaction, [Pedido("r", "csv", "")])
        (event,) = outcome.events  # type: ignore[union-attr]
        answer = ReporteGenerado.FromString(event.payload)
        assert (bool(answer.error), bool(answer.content)) == (refused, not refused)


def test_two_reports_in_one_group_and_one_of_no_format_are_all_answered(database: Postgres) -> None:
    actualizar(database, cambio("a"))
    pedidos = [Pedido("r1", "csv", ""), Pedido("r2", "xml", ""), Pedido("r3", "json", "")]
    with database.transaction() as transaction:
        outcomes = HANDLERS.generar(transaction, pedidos)
    answers = [ReporteGenerado.FromString(outcome.events[0].payload) for outcome in outcomes]  # type: ignore[union-attr]
    assert [(answer.report_id, bool(answer.error), bool(answer.content)) for answer in answers] == [
        ("r1", False, True),
        ("r2", True, False),
        ("r3", False, True),
    ]


def listed(database: Postgres, **asked: str) -> list[str]:
    with database.transaction() as transaction:
        (outcome,) = HANDLERS.generar(transaction, [Pedido("r", "csv", "", **asked)])
    (event,) = outcome.events  # type: ignore[union-attr]
    answer = ReporteGenerado.FromString(event.payload)
    assert not answer.error
    return [row["id"] for row in csv.DictReader(io.StringIO(answer.content.decode(), newline=""))]


def test_a_period_has_the_orders_from_its_start_to_just_before_its_end(database: Postgres) -> None:
    # 2026-01-01T00:00 in Mexico City, ten minutes before and a millisecond around it.
    midnight = 1_767_247_200_000
    for name, at_ms in {"a": -600_000, "b": -1, "c": 0, "d": 1}.items():
        actualizar(database, cambio(name, created_at_ms=midnight + at_ms, updated_at_ms=midnight - at_ms))
    mexico = {"tz": "America/Mexico_City"}
    assert listed(database, start="2025-12-31T23:50", end="2026-01-01", **mexico) == ["a", "b"]
    assert listed(database, start="2025-12-31", end="2026-01-01", by="updated", **mexico) == ["d"]
    assert listed(database, start="2026-01-01", **mexico) == ["c", "d"]
    assert listed(database, end="2026-01-01", **mexico) == ["a", "b"]
    assert listed(database, start="2026-01-01", end="2026-01-02") == ["a", "b", "c", "d"]
    assert listed(database, **mexico) == ["a", "b", "c", "d"]


@pytest.mark.parametrize("by", BY)
def test_a_report_of_a_day_reads_that_days_rows_and_not_the_whole_table(by: str, database: Postgres) -> None:
    for start in range(0, 50_000, 5_000):
        minutes = [(n, 1_767_225_600_000 + n * 60_000) for n in range(start, start + 5_000)]
        names = ((f"{zlib.crc32(str(n).encode()):08x}", ms) for n, ms in minutes)
        actualizar(database, *(cambio(name, created_at_ms=ms, updated_at_ms=ms) for name, ms in names))
    with database.transaction() as transaction:
        transaction.execute("SELECT brin_summarize_new_values(%(index)s::regclass)", {"index": f"ordenes_{by}_at"})
        transaction.execute("ANALYZE ordenes")
    read = "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'ordenes'"
    with database.transaction() as transaction:
        ((before,),) = transaction.execute(read)
        assert len(list(store.orders_of(transaction, periodo("2026-01-10", "2026-01-11", by=by)))) == 24 * 60
        ((after,),) = transaction.execute(read)
    assert after - before < 10_000
