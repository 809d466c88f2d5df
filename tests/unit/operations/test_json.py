"""Texts of other people can't control a terminal, also when they are printed as JSON."""

import json
from contextlib import nullcontext

import pytest
from click.testing import CliRunner

from client.cli import alpes
from schemas.tienda.v1.ordenes_pb2 import CrearOrden
from tests.unit.connection.fake_pulsar import FakePulsar, sent

EVIL = "\x1b[2J\x9b2J\x07ñ\u202e"


@pytest.mark.parametrize(
    "arguments", [["dlq", "list"], ["dlq", "show", "crear-orden:0:1:0"], ["trace", "a", "--all"]], ids=" ".join
)
def test_json_is_plain_ascii(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    command = CrearOrden(id="a", address=EVIL, total_cents=1).SerializeToString()
    letter = sent(0, "a", command, {"error.type": EVIL, "error.message": EVIL, "own": EVIL})
    broker = FakePulsar({"crear-orden": [sent(0, "a", command)], "crear-orden-DLQ": [letter], "dlq-bitacora": []})
    module = f"operations.commands.{arguments[0]}"
    monkeypatch.setattr(f"{module}.Admin", lambda _url: broker)
    monkeypatch.setattr(f"{module}.connected", lambda _url: nullcontext(broker))
    monkeypatch.setattr("operations.commands.trace._state", lambda _admin, _order_id: EVIL)
    done = CliRunner(env={"ALPES_ORDENES_DSN": None}).invoke(alpes, [*arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.isascii()
    assert "ñ" in json.dumps(json.loads(done.stdout), ensure_ascii=False)
    assert all(character.isprintable() or character == "\n" for character in done.stdout)
