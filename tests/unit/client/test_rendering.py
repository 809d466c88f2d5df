"""What a run shows to a user, and texts, amounts and times in a terminal."""

import io
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rich.console import Console

from client.ledger import Ledger, Ran
from client.mix import BAD, DUPLICATE
from client.rendering import show_run, show_summary
from operations.commands.show import _lines, _Orden, chosen
from operations.dlq import rendering
from operations.dlq.letters import Letter, LetterId
from operations.errors import AmbiguousOrderError, UnknownOrderError
from terminal.console import PIPE_WIDTH
from terminal.options import machines_zone
from terminal.text import converted, moment, one_line, second

BOGOTA = ZoneInfo("America/Bogota")


@pytest.mark.parametrize(
    ("name", "at", "offset"),
    [
        ("UTC", "2026-11-25T03:46:43", "+00:00"),
        ("America/Bogota", "2026-11-24T22:46:43", "-05:00"),
        ("Europe/Madrid", "2026-11-25T04:46:43", "+01:00"),
        ("Asia/Kathmandu", "2026-11-25T09:31:43", "+05:45"),
    ],
)
def test_times_are_iso_8601_in_the_chosen_zone(name: str, at: str, offset: str) -> None:
    zone = ZoneInfo(name)
    assert moment(1_795_578_403_007, zone) == f"{at}.007{offset}"
    assert second(1_795_578_403_999, zone) == f"{at}{offset}"
    assert converted("2026-11-25T03:46:43+00:00", zone) == f"{at}{offset}"


def test_what_is_no_time_is_shown_as_it_is() -> None:
    assert (moment(10**20, BOGOTA), converted("?", BOGOTA), converted("", BOGOTA)) == (str(10**20), "?", "")


@pytest.mark.parametrize(
    ("variable", "name"), [("America/Bogota", "America/Bogota"), (":Europe/Madrid", "Europe/Madrid")]
)
def test_the_machines_zone_is_that_of_the_variable_tz(variable: str, name: str) -> None:
    # In a process of its own, since a process looks its zone up once.
    asked = "from terminal.options import machines_zone; print(machines_zone().key)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "TZ": variable}
    done = subprocess.run([sys.executable, "-c", asked], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == name


@pytest.mark.parametrize("found", [None, "", "local", "EST5EDT,M3.2.0,M11.1.0"])
def test_a_machine_whose_zone_has_no_name_counts_as_utc(found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tzlocal.get_localzone_name", lambda: found)
    assert machines_zone().key == "UTC"


def test_a_text_of_others_stays_in_its_row() -> None:
    assert one_line("a\nb\r\x1b[2J\u202e") == "a\\nb\\r\\x1b[2J\\u202e"


def _shown(ledger: Ledger) -> str:
    out = io.StringIO()
    show_summary(Console(file=out, width=200), ledger.close(), BOGOTA)
    return out.getvalue()


def _run(created_at_ms: list[int]) -> Ledger:
    ledger = Ledger()
    for number, created in enumerate(created_at_ms):
        ledger.sent(str(number), 1_000_000_000)
        ledger.updated(str(number), "aprobada", 2, 1_010_000_000, created)
    return ledger


def test_a_run_says_which_of_its_orders_existed() -> None:
    assert "existed" not in _shown(_run([1_000, 1_000]))
    assert "2 of 3 orders existed already, and sending them again changed nothing." in _shown(_run([1_000, 5, 6]))
    assert "All 2 orders existed already, and sending them again changed nothing." in _shown(_run([5, 6]))


def test_a_run_says_when_it_was_and_in_which_zone() -> None:
    ledger = _run([1_000])
    assert "1969-12-31T19:00:01.000-05:00 to 1969-12-31T19:00:01.010-05:00, America/Bogota\n" in _shown(ledger)
    summary = ledger.close().as_json(BOGOTA)
    assert (summary["started_at_ms"], summary["started_at"]) == (1_000, "1969-12-31T19:00:01.000-05:00")
    assert (summary["last_finished_at"], summary["tz"]) == ("1969-12-31T19:00:01.010-05:00", "America/Bogota")
    assert Ledger().close().as_json(BOGOTA)["started_at"] is None


def test_an_order_is_shown_with_its_times_and_their_zone() -> None:
    lines = _lines(_orden("a")._replace(created_at_ms=1_767_225_600_123), BOGOTA)
    assert lines["created"] == "2025-12-31T19:00:00.123-05:00, as the client says"
    assert lines["zone"] == "America/Bogota"


def test_what_ended_is_not_said_to_be_unsent() -> None:
    ledger = _run([1_000])
    ledger.unsent("0", "AlreadyClosed")
    told = _shown(ledger)
    assert "1 orders ended though Pulsar did not confirm them (AlreadyClosed)." in told
    assert "not confirmed by Pulsar, nor seen" not in told


def test_a_list_of_letters_has_a_row_for_each_and_cuts_no_id_where_there_is_no_terminal() -> None:
    letters = [
        Letter(LetterId("a-topic-with-a-long-name" * 5, 0, 2**62, 2**62, number), f"k\n{number}", b"", said, 0)
        for number, said in enumerate([{"error.type": "x" * 100, "error.message": "why " * 50}] * 3)
    ]
    out = io.StringIO()
    rendering.show_list(Console(file=out, width=PIPE_WIDTH), Counter({("t", "e", "f"): 3}), letters, BOGOTA)
    head, *rows = out.getvalue().splitlines()[-4:]
    assert " since (America/Bogota) " in head
    for letter, row in zip(letters, rows, strict=True):
        assert row.startswith(f"{letter.id}  1969-12-31T19:00:00-05:00 ")
        assert f"k\\n{letter.id.batch}" in row


def _orden(order_id: str) -> _Orden:
    return _Orden(order_id, "creada", 1, 1, "USD", 1, "", 0, 0, 0, "")


def test_the_beginning_of_an_id_finds_the_only_order_that_begins_so() -> None:
    assert chosen("ab", [_orden("abc")]).order_id == "abc"
    assert chosen("ab", [_orden("ab"), _orden("abc")]).order_id == "ab"
    with pytest.raises(UnknownOrderError, match="No order's id is ab, or begins so"):
        chosen("ab", [])
    with pytest.raises(AmbiguousOrderError, match=r"begin with a: a1, a2\. Give more of it"):
        chosen("a", [_orden("a1"), _orden("a2")])
    with pytest.raises(AmbiguousOrderError, match=r"a4, …\. Give"):
        chosen("a", [_orden(f"a{number}") for number in range(6)])


def _shown_run(ledger: Ledger, planned: int, before: int = 0, *, interrupted: bool = False) -> str:
    console = Console(file=io.StringIO(), width=100)
    ran = Ran(ledger.close(), confirmed=ledger.messages, complete=not interrupted, interrupted=interrupted)
    show_run(console, ran, planned, before, follow=True, zone=BOGOTA)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_an_interrupted_run_says_what_was_sent_and_what_ended_without_alarm() -> None:
    ledger = Ledger()
    for order_id in "abc":
        ledger.sent(order_id, 1_000_000)
    ledger.updated("a", "aprobada", 2, 2_000_000)
    said = _shown_run(ledger, 10, interrupted=True)
    assert said.startswith("Interrupted: 3 of 10 were sent, Pulsar has confirmed 3, and 1 have ended.\n")
    assert "not ended yet       2" in said
    assert "unaccounted" not in said
    assert "2 orders unaccounted for" in _shown_run(ledger, 3)


def test_a_continued_run_says_how_much_was_done_before() -> None:
    ledger = Ledger()
    ledger.sent("a", 1_000_000)
    ledger.updated("a", "aprobada", 2, 2_000_000)
    assert _shown_run(ledger, 10, 9).startswith("Of 10 orders, 9 were done before; this run sent what was left.\n")
    assert _shown_run(Ledger(), 10, 10) == "All 10 orders of this run were done before. Nothing was sent.\n"


def test_a_drill_says_how_many_of_each_kind_ended_as_expected_and_its_dead_letters_are_no_alarm() -> None:
    ledger = Ledger()
    ledger.sent("a", 1_000_000)
    ledger.sent("a", 1_000_000, kind=DUPLICATE)
    ledger.sent("b", 1_000_000, kind=BAD)
    ledger.updated("a", "aprobada", 2, 2_000_000)
    ledger.dead_lettered("b", "invalid (crear-orden-DLQ)", 2_000_000)
    said = _shown_run(ledger, 3)
    rows = [line.split() for line in said.splitlines()]
    assert ["valid", "1", "1"] in rows
    assert ["duplicate", "1", "1"] in rows
    assert ["bad", "1", "1"] in rows
    assert "DEAD-LETTERED" not in said
