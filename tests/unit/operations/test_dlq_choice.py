"""Which letters the options choose; an unknown name is refused, with the names that exist."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from client.cli import alpes
from operations.commands import dlq
from operations.dlq.history import ERROR_TYPES
from operations.dlq.letters import DeadLetters
from operations.dlq.log import Log
from tests.simulation.broker import Message
from tests.unit.connection.fake_pulsar import FakePulsar, sent

MESSAGES = Path(__file__).parents[3] / "docs" / "messages.md"
COMMANDS = (["list"], ["replay"], ["discard", "--yes"], ["discard"])


def letter(entry: int, error: str) -> Message:
    return sent(entry, f"k{entry}", b"x", {"error.type": error})


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> FakePulsar:
    """Two waiting letters, and one that was sent again."""
    topics = {
        "crear-orden": [],
        "crear-orden-DLQ": [letter(0, "bug"), letter(1, "invalid"), letter(2, "planted")],
        "orden-creada-DLQ": [],
        "dlq-bitacora": [sent(0, "crear-orden:0:1:2", properties={"bitacora.action": "replayed"})],
    }
    found = FakePulsar(topics)

    @contextmanager
    def desk(_service_url: str, _admin_url: str) -> Iterator[Any]:
        client: Any = found
        yield dlq._Session(client, DeadLetters(client, client), Log(client, client))

    monkeypatch.setattr(dlq, "_session", desk)
    return found


def run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(alpes, ["dlq", *arguments], prog_name="alpes")
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_type_that_no_letter_ever_had_is_wrong_usage(command: list[str], broker: FakePulsar) -> None:
    code, out, err = run(*command, "--error", "bug", "--error", "typo")
    assert (code, out) == (2, "")
    assert "no letter has the error type typo. Those that wait: 1 bug, 1 invalid." in err
    assert broker.published == {}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_topic_without_a_dead_letter_topic_is_wrong_usage(command: list[str], broker: FakePulsar) -> None:
    code, out, err = run(*command, "--topic", "crear-ordenes")
    assert (code, out) == (2, "")
    assert "crear-ordenes has no dead-letter topic. Those with one: crear-orden, orden-creada." in err
    assert broker.published == {}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("error", ["early", "planted"])
@pytest.mark.usefixtures("broker")
def test_where_none_waits_with_an_error_type_the_others_are_told(command: list[str], error: str) -> None:
    code, _, err = run(*command, "--error", error)
    assert code == 0
    assert err == f"No letter that waits has the error type {error}. Those that wait: 1 bug, 1 invalid.\n"


@pytest.mark.usefixtures("broker")
def test_the_others_are_those_of_the_topic_asked_for() -> None:
    _, out, err = run("replay", "--error", "bug", "--topic", "orden-creada", "--json")
    assert out.startswith('{"done": 0')
    assert err == "No letter that waits has the error type bug. No letters wait.\n"


def test_letters_of_an_error_type_are_sent_without_a_further_word(broker: FakePulsar) -> None:
    assert run("replay", "--error", "bug", "--error", "early") == (0, "1 letters sent again.\n", "")
    assert broker.published["crear-orden"] == [(b"x", "k0")]


def test_the_error_types_that_are_known_are_the_documented_ones() -> None:
    table = MESSAGES.read_text(encoding="utf-8").split("| `error.type` | means |")[1].split("\n\n")[0]
    assert {row.split("`")[1] for row in table.splitlines()[2:]} == ERROR_TYPES
