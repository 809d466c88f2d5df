"""Reporting on PostgreSQL: the highest version stays, whatever the order of the changes; reports and totals agree."""

import csv
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from alpes_runtime import Ask, Done, Event, Retry
from alpes_runtime.postgres import Postgres
from functions.reporting import folders, store
from functions.reporting.child import Limits
from functions.reporting.domain import Pedido
from functions.reporting.making import making
from functions.reporting.making.errors import ReportRefused
from functions.reporting.making.kinds import kinds, parameters
from functions.reporting.making.making import pieces
from schemas.tienda import money, rules
from schemas.tienda.cambios import Cambio
from schemas.tienda.periodo import BY, periodo
from tests.integration.reporting import HANDLERS, LIMITS, Published, actualizar, cambio, made, maker, request
from tests.integration.server import Rows, Server, wait_until

SERVICE = "reporting"


def everything(database: Postgres) -> list[Cambio]:
    kind = kinds()["orders"]
    with database.transaction() as transaction:
        return [Cambio(*row) for row in transaction.stream(kind.query, parameters(kind, periodo(), {}))]


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


def test_every_order_comes_sorted_and_as_it_was_stored(database: Postgres, dsn: str) -> None:
    names = ["b", "B", "a", "_", "0", "-", "."]
    batch = [cambio(name, total_cents=n * 2**59, client_id=n - 3) for n, name in enumerate(names)]
    actualizar(database, *batch)
    assert everything(database) == sorted(batch)
    assert [row["id"] for row in rows_of(dsn)] == [each.id for each in sorted(batch)]


def test_totals_are_those_of_the_table_and_name_every_final_status_and_currency(database: Postgres) -> None:
    actualizar(database, cambio("a"), cambio("b"), cambio("c", status="rechazada", total_cents=7, currency="JPY"))
    actualizar(database, cambio("a"))
    with database.transaction() as transaction:
        assert store.totals(transaction) == {
            "currencies": "JPY USD",
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


def content_of(dsn: str, name: str, **asked: Any) -> bytes:
    """Make a report within this process."""
    return b"".join(pieces(request(dsn, name, **asked), lambda: None, lambda _content_type: None))


def rows_of(dsn: str, **asked: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in content_of(dsn, "ndjson", **asked).splitlines()]


def test_a_report_of_many_parts_has_every_order_once(database: Postgres, dsn: str) -> None:
    actualizar(database, *(cambio(f"orden-{n:06d}") for n in range(12_000)))
    parts = made(dsn, "csv")
    assert (len(parts) > 2, {part.error for part in parts}, parts[0].content_type) == (True, {""}, "text/csv")
    whole = b"".join(part.content for part in parts)
    assert (parts[-1].content_bytes, parts[-1].sha256) == (len(whole), hashlib.sha256(whole).digest())
    listed = list(csv.DictReader(io.StringIO(whole.decode(), newline="")))
    assert [row["id"] for row in listed] == [f"orden-{n:06d}" for n in range(12_000)]
    report = json.loads(content_of(dsn, "json"))
    assert [row["id"] for row in report["orders"]] == [row["id"] for row in listed]
    assert report["totals"] == {
        "aprobada": {"USD": {"orders": 12_000, "total_cents": 12_000 * 1250, "total": "150000.00"}}
    }
    assert "11,000 more rows are left out" in content_of(dsn, "markdown").decode()


def test_reports_are_asked_for_outside_the_transaction_and_end_in_one(database: Postgres, dsn: str) -> None:
    pedido = Pedido("r", "csv", "")
    with database.transaction() as transaction:
        assert HANDLERS.generar(transaction, [pedido]) == [Ask(pedido)]
    answer = maker(dsn).ask(pedido)
    assert isinstance(answer, Event)
    with database.transaction() as transaction:
        assert HANDLERS.generados(transaction, [(pedido, answer)]) == [Done((answer,))]


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"name": "xml"}, "there is no report format 'xml'; there are: csv, csv-excel, "),
        ({"report": "by-moon"}, "there is no report 'by-moon'; there are: by-day, by-hour, "),
        ({"filters": (("shop", "1"),)}, "the report orders has no filter 'shop'; there are: client_id, "),
        ({"filters": (("client_id", "x"),)}, "PostgreSQL refuses a filter's value or the zone: invalid input "),
        ({"filters": (("status", "approved"),)}, "the filter's status is 'approved', must be one of aprobada, "),
        ({"filters": (("currency", "usd"),)}, "the filter's currency is 'usd', must be three capital letters "),
        ({"filters": (("currency", "ABC"),)}, "the filter's currency is 'ABC': ISO 4217 doesn't have it, and no order"),
        ({"tz": "localtime", "report": "by-day"}, "PostgreSQL refuses a filter's value or the zone: time zone "),
        ({"tz": "localtime", "name": "html"}, "PostgreSQL refuses a filter's value or the zone: time zone "),
    ],
)
def test_what_there_is_not_is_answered_with_what_there_is(
    asked: dict[str, Any], why: str, database: Postgres, dsn: str
) -> None:
    actualizar(database, cambio())
    *_, answer = made(dsn, **asked)
    assert answer.error.startswith(why)
    assert (answer.content, answer.report_id) == (b"", "r")


def test_a_filter_is_a_value_whatever_it_holds(database: Postgres, dsn: str) -> None:
    actualizar(database, cambio("a"), cambio("b", status="rechazada"), cambio("c", client_id=7, currency="JPY"))
    assert [row["id"] for row in rows_of(dsn, filters=(("status", "aprobada"),))] == ["a", "c"]
    assert [row["id"] for row in rows_of(dsn, filters=(("client_id", "7"), ("currency", "JPY")))] == ["c"]
    assert rows_of(dsn, filters=(("status", "expirada"),)) == []
    (total,) = rows_of(dsn, report="by-status", filters=(("status", "rechazada"),))
    assert (total["orders"], total["total"]) == (1, "12.50")


@pytest.mark.parametrize("name", ["html", "json", "markdown", "xlsx"])
def test_a_filter_of_one_kind_alone_leaves_out_the_totals(
    name: str, database: Postgres, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = "SELECT id, currency, total_cents FROM pedidas WHERE total_cents >= coalesce(%(least)s::text::bigint, 0)"
    (tmp_path / "big.sql").write_text(f"-- Big orders.\n-- name: big\n{big}\n")
    monkeypatch.setattr(making, "kinds", lambda: kinds() | kinds(tmp_path))
    actualizar(database, cambio("a", total_cents=4), cambio("b", total_cents=5))
    assert b"aprobada" in text_of(content_of(dsn, name, report="big"))
    content = text_of(content_of(dsn, name, report="big", filters=(("least", "5"),)))
    assert b"0.05" in content
    assert b"aprobada" not in content


def test_a_kind_that_is_broken_is_refused_and_the_others_are_made(
    database: Postgres, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.sql").write_text("SELECT id FROM pedidas\n")
    monkeypatch.setattr(making, "kinds", lambda: kinds(tmp_path) | kinds())
    actualizar(database, cambio("a"))
    assert [row["id"] for row in rows_of(dsn)] == ["a"]
    with pytest.raises(ReportRefused, match=r"^the report broken can't be used: broken\.sql: no line '-- name: …'"):
        content_of(dsn, "csv", report="broken")


def text_of(content: bytes) -> bytes:
    """Return a report's bytes; those of a spreadsheet as they were before they were compressed."""
    if not content.startswith(b"PK"):
        return content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        return b"".join(map(book.read, book.namelist()))


def test_a_currency_that_only_orders_have_is_a_filter(database: Postgres, dsn: str) -> None:
    actualizar(database, cambio("a", currency="ABC"), cambio("b"))
    assert [row["id"] for row in rows_of(dsn, filters=(("currency", "ABC"),))] == ["a"]
    assert rows_of(dsn, filters=(("currency", "JPY"),)) == []


def test_a_total_by_status_may_be_larger_than_any_amount(database: Postgres, dsn: str) -> None:
    actualizar(database, *(cambio(f"o{n}", total_cents=2**63 - 1) for n in range(3)), cambio("b", status="rechazada"))
    sum_cents = 3 * (2**63 - 1)
    first, second = rows_of(dsn, report="by-status")
    assert (first["orders"], first["total_cents"], first["total"]) == (3, sum_cents, money.total(sum_cents, "USD"))
    assert second == {"status": "rechazada", "currency": "USD", "orders": 1, "total_cents": 1250, "total": "12.50"}


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-11-02", 24)])
def test_a_day_is_as_long_as_its_zones_clocks_make_it(day: str, hours: int, database: Postgres, dsn: str) -> None:
    zone = {"tz": "America/New_York"}
    covered = periodo(day, tz=zone["tz"]).from_ms or 0
    times = [covered + n * 1_800_000 for n in range(-2, 2 * hours + 2)]
    actualizar(database, *(cambio(f"o{n:03d}", created_at_ms=at_ms) for n, at_ms in enumerate(times)))
    days = rows_of(dsn, report="by-day", **zone)
    assert [row["orders"] for row in days] == [2, 2 * hours, 2]
    assert days[1]["day_at"].startswith(f"{day}T00:00:00.000-0")
    assert [row["orders"] for row in rows_of(dsn, report="by-hour", **zone)] == [2] * (hours + 2)


def test_payments_follow_from_the_statuses(database: Postgres, dsn: str) -> None:
    of = {"aprobada": 500, "reembolsada": 300, "rechazada": 70, "expirada": 9}
    actualizar(database, *(cambio(status, status=status, total_cents=cents) for status, cents in of.items()))
    (row,) = rows_of(dsn, report="payments")
    assert (row["charged"], row["charged_amount"], row["refunded_amount"]) == (2, "8.00", "3.00")
    assert (row["net_amount"], row["refused_amount"], row["expired_amount_cents"]) == ("5.00", "0.70", 9)


def test_service_levels_are_per_minute_of_the_end(database: Postgres, dsn: str) -> None:
    start = 1_767_225_600_000
    actualizar(database, *(cambio(f"o{n:03d}", created_at_ms=start, updated_at_ms=start + n) for n in range(1, 101)))
    actualizar(database, cambio("later", created_at_ms=start, updated_at_ms=start + 61_000))
    first, second = rows_of(dsn, report="service-levels")
    assert (first["minute_at"], first["orders"]) == ("2026-01-01T00:00:00.000+00:00", 100)
    assert (first["p50_ms"], first["p95_ms"], first["p99_ms"], second["p50_ms"]) == (50, 95, 99, 61_000)


def test_an_order_that_ends_before_it_begins_is_counted_and_in_no_percentile(database: Postgres, dsn: str) -> None:
    ended = 1_767_225_600_000
    for n, created_at_ms in enumerate([ended + 1, rules.LAST_TIME_MS, ended - 7]):
        actualizar(database, cambio(f"o{n}", created_at_ms=created_at_ms, updated_at_ms=ended))
    actualizar(database, cambio("alone", created_at_ms=ended + 90_000, updated_at_ms=ended + 60_000))
    first, second = rows_of(dsn, report="service-levels")
    assert (first["orders"], first["clock_ahead"], first["p50_ms"], first["p99_ms"]) == (3, 2, 7, 7)
    assert (second["orders"], second["clock_ahead"], second["p50_ms"], second["p99_ms"]) == (1, 1, None, None)
    assert "3 orders are left out: a client" in content_of(dsn, "html").decode()


def test_reporting_lists_its_kinds_and_formats(dsn: str) -> None:
    listed = rows_of(dsn, report="formats")
    assert {row["name"] for row in listed if row["what"] == "report"} >= {"orders", "by-day", "service-levels"}
    assert {row["name"] for row in listed if row["what"] == "format"} >= {"csv", "json", "markdown"}


def listed(dsn: str, **asked: str) -> list[str]:
    return [row["id"] for row in rows_of(dsn, **asked)]


def test_a_period_has_the_orders_from_its_start_to_just_before_its_end(database: Postgres, dsn: str) -> None:
    # 2026-01-01T00:00 in Mexico City, ten minutes before and a millisecond around it.
    midnight = 1_767_247_200_000
    for name, at_ms in {"a": -600_000, "b": -1, "c": 0, "d": 1}.items():
        actualizar(database, cambio(name, created_at_ms=midnight + at_ms, updated_at_ms=midnight - at_ms))
    mexico = {"tz": "America/Mexico_City"}
    assert listed(dsn, start="2025-12-31T23:50", end="2026-01-01", **mexico) == ["a", "b"]
    assert listed(dsn, start="2025-12-31", end="2026-01-01", by="updated", **mexico) == ["d"]
    assert listed(dsn, start="2026-01-01", **mexico) == ["c", "d"]
    assert listed(dsn, end="2026-01-01", **mexico) == ["a", "b"]
    assert listed(dsn, **mexico) == ["a", "b", "c", "d"]


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
    kind = kinds()["orders"]
    asked = parameters(kind, periodo("2026-01-10", "2026-01-11", by=by), {})
    with database.transaction() as transaction:
        ((before,),) = transaction.execute(read)
        assert len(list(transaction.stream(kind.query, asked))) == 24 * 60
        ((after,),) = transaction.execute(read)
    assert after - before < 10_000


def test_a_database_that_is_away_means_later_and_no_answer(server: Server, dsn: str) -> None:
    nowhere = dsn.replace(f":{server.settings.ports.postgres}/", ":1/")
    answer = maker(nowhere).ask(Pedido("r", "csv", ""))
    assert isinstance(answer, Retry)
    assert answer.until_known


HELD = "import tempfile\n    open(tempfile.mkstemp()[1], 'w').write('x' * 9_000_000)\n    yield b'y'\n    "


def test_the_temporary_files_of_a_report_go_with_it_however_it_ends(
    dsn: str, add_format: Callable[[str, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (answer,) = made(dsn)
    assert answer.error.startswith("Reporting gave up this report: its instance can't make a temporary folder in ")
    (tmp_path / "tmp").mkdir()
    add_format("held", HELD + "import time; time.sleep(600)")
    assert "it took longer than 3 s" in made(dsn, "held", Limits(3, 512))[-1].error
    add_format("killed", HELD + "import os; os.kill(os.getpid(), 9)")
    assert "killed by signal 9" in made(dsn, "killed")[-1].error
    assert not made(dsn, "xlsx")[-1].error
    assert list((tmp_path / "tmp").iterdir()) == []


def test_what_an_instance_that_was_killed_left_is_removed_and_what_is_in_use_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = (
        "import os, tempfile\n"
        "from pathlib import Path\n"
        "from functions.reporting import folders\n"
        f"tempfile.tempdir = {str(tmp_path)!r}\n"
        "with folders.folder() as made:\n"
        "    Path(made.path, 'half.xlsx').write_text('x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    (left,) = tmp_path.iterdir()
    with folders.folder() as used:
        folders.remove_left_over()
        assert not left.exists()
        assert Path(used.path).is_dir()
    assert list(tmp_path.iterdir()) == []


FAULTY = {
    "endless": (
        "import time\n    time.sleep(600)",
        Limits(1, 512),
        "it took longer than 1 s: ask for a shorter period",
    ),
    "silent": ("import time\n    time.sleep(600)", Limits(60, 512, 1), "it did nothing for 1 s"),
    "dead": ("import os\n    os.kill(os.getpid(), 9)", LIMITS, "its process was killed by signal 9 before the report"),
    "early": ("import os\n    os._exit(3)", LIMITS, "its process ended with code 3 before the report was whole"),
    "wrong": ("return iter([b'x', 1])", LIMITS, "TypeError: "),
    "greedy": ("x = [b'x' * 1_000_000 for _ in range(2_000)]\n    yield b'y'", LIMITS, "it needs more memory than"),
}


@pytest.fixture
def add_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Installs a package with a format, whose `render` has this body, where the process of a report finds it."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)

    def add(name: str, body: str) -> None:
        code = f"CONTENT_TYPE = 'text/plain'\n\ndef render(report):\n    {body}\n"
        (tmp_path / f"format_{name}.py").write_text(code)
        about = tmp_path / f"format_{name}-1.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: format-{name}\nVersion: 1\n")
        (about / "entry_points.txt").write_text(f"[alpes.report_formats]\n{name} = format_{name}\n")

    return add


@pytest.mark.parametrize("fault", FAULTY)
def test_a_broken_or_endless_format_is_given_up_with_the_reason(
    fault: str, dsn: str, add_format: Callable[[str, str], None]
) -> None:
    body, limits, why = FAULTY[fault]
    add_format(fault, body)
    answer = made(dsn, fault, limits)[-1]
    assert answer.error.startswith(f"Reporting gave up this report: {why}"), answer.error
    assert (answer.last, answer.content) == (True, b"")


@pytest.mark.parametrize("letter", ["€", "\\ud800"], ids=["of three bytes", "that UTF-8 lacks"])
def test_any_reason_is_told_up_to_a_length(dsn: str, add_format: Callable[[str, str], None], letter: str) -> None:
    add_format("wordy", f"raise ValueError('{letter}' * 5_000)\n    yield b''")
    (answer,) = made(dsn, "wordy")
    assert answer.error.startswith("Reporting gave up this report: ValueError: ")
    assert 1_000 < len(answer.error) < 3_000


def test_what_was_sent_of_a_report_that_fails_is_followed_by_an_error(
    dsn: str, add_format: Callable[[str, str], None]
) -> None:
    add_format("half", "yield b'x' * 3_000_000\n    raise RuntimeError('no more')")
    *sent, answer = made(dsn, "half")
    assert len(sent) >= 2
    assert answer.error == "Reporting gave up this report: RuntimeError: no more"
    assert answer.part == len(sent)


def test_a_report_gives_way_to_all_else_in_its_session_and_its_session_to_all_others(
    dsn: str, add_format: Callable[[str, str], None]
) -> None:
    ranks = "import os\n    yield b'%d' % (os.sched_getscheduler(0) == os.SCHED_IDLE)"
    add_format("ranked", f"{ranks}\n    yield open('/proc/self/autogroup', 'rb').read()")
    if not Path("/proc/self/autogroup").exists():
        pytest.skip("this kernel doesn't share the processors among sessions")
    rank = b"".join(part.content for part in made(dsn, "ranked")).decode()
    assert rank.startswith("1/autogroup-"), rank
    assert rank.endswith(" nice 19\n"), rank


def test_a_report_ends_with_its_instance(database: Postgres, dsn: str) -> None:
    actualizar(database, *(cambio(f"orden-{n:06d}") for n in range(12_000)))
    published = Published(stops_after=1)
    assert isinstance(maker(dsn, published=published).ask(Pedido("r", "csv", "")), Retry)
    assert len(published.events) == 1
    assert isinstance(maker(dsn, stopping=lambda: True).ask(Pedido("r", "csv", "")), Retry)


def test_the_process_of_a_report_ends_when_its_function_is_killed() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "from functions.reporting import child\n"
        "started = subprocess.Popen([sys.executable, '-m', child.PROGRAM], stdin=subprocess.PIPE,"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)\n"
        "print(started.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    function = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    wait_until(lambda: not psutil.pid_exists(int(function.stdout)))


def test_a_format_whose_library_is_missing_says_what_to_install_and_harms_no_other(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = "raise ModuleNotFoundError(\"No module named 'xlsxwriter'\", name='xlsxwriter')\n"
    (tmp_path / "xlsxwriter.py").write_text(absent)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    why = "the Python of the function worker lacks xlsxwriter: install it there, from requirements/reports.txt"
    (answer,) = made(dsn, "xlsx")
    assert answer.error == f"the format xlsx can't be used: {why}"
    (listed,) = made(dsn, "ndjson", report="formats")
    problems = {row["name"]: row["problem"] for row in map(json.loads, listed.content.splitlines())}
    assert (problems["xlsx"], problems["html"], problems["csv"]) == (why, "", "")
