"""What a person reads of a run, and texts, amounts and times in a terminal."""

import io
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from rich.console import Console

from client.ledger import Ledger
from client.rendering import show_summary
from operations.commands.show import _Orden, chosen
from operations.dlq import rendering
from operations.dlq.letters import Letter, LetterId
from operations.errors import AmbiguousOrderError, UnknownOrderError
from terminal.console import PIPE_WIDTH
from terminal.text import local, moment, one_line, second


@pytest.fixture(params=["UTC", "America/Bogota", "Europe/Madrid"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def test_times_are_local_and_name_their_zone(zone: str) -> None:
    expected = {
        "UTC": ("2026-11-25 03:46:43", "UTC"),
        "America/Bogota": ("2026-11-24 22:46:43", "UTC-05"),
        "Europe/Madrid": ("2026-11-25 04:46:43", "CET"),
    }
    at, name = expected[zone]
    assert moment(1_795_578_403_007) == f"{at}.007 {name}"
    assert second(1_795_578_403_999) == f"{at} {name}"
    assert local("2026-11-25T03:46:43+00:00") == f"{at} {name}"


def test_what_is_no_time_is_shown_as_it_is() -> None:
    assert (moment(10**20), local("?"), local("")) == (str(10**20), "?", "")


def test_a_text_of_others_stays_in_its_row() -> None:
    assert one_line("a\nb\r\x1b[2J\u202e") == "a\\nb\\r\\x1b[2J\\u202e"


def _shown(ledger: Ledger) -> str:
    out = io.StringIO()
    show_summary(Console(file=out, width=200), ledger.close())
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
    rendering.show_list(Console(file=out, width=PIPE_WIDTH), Counter({("t", "e", "f"): 3}), letters)
    rows = out.getvalue().splitlines()[-3:]
    for letter, row in zip(letters, rows, strict=True):
        assert row.startswith(f"{letter.id}  1970-01-01 ")
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
