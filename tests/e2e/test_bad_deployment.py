"""A version that fails at everything stops, instead of emptying its topic into the dead-letter topic."""

import zipfile
from pathlib import Path

from tests.e2e.tienda import ROOT, Tienda, alpes, keys, new_prefix, orders, wait_until
from tests.stack import status

LOAD = 2_000
CODE = "functions/pagos/handlers.py"
BUG = b"""

def _with_a_typo(*_: object) -> None:
    int("a typo")


PagosHandlers.cobrar = _with_a_typo
"""


def broken(good: Path, folder: Path) -> Path:
    """Copy the zip of Pagos, with a bug that every order meets."""
    made = folder / good.name
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(made, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(CODE):
                content += BUG
            target.writestr(entry, content)
    return made


def test_a_bad_version_stops_says_so_and_loses_nothing(stack: Tienda, tmp_path: Path) -> None:
    start = new_prefix("h")
    good = ROOT / "build" / "alpes-pagos.zip"
    old = stack.processes("pagos")
    stack.update("pagos", "--py", str(broken(good, tmp_path)))
    wait_until(lambda: not any(process.is_running() for process in old), 60, "the old version has gone")
    wait_until(lambda: stack.running("pagos"), 60, "the bad one runs")
    try:
        restarts = stack.restarts()
        stack.publish("crear-orden", orders(start, LOAD))
        wait_until(lambda: len(stack.statuses("ordenes", start)) == LOAD, 60, "the orders are accepted")
        wait_until(lambda: "HALTED" in status(stack)[1], 60, "the status says so")
        code, told = status(stack)
        assert code != 0
        assert "takes nothing more from orden-creada" in told
        assert stack.running("pagos") == 1
        assert stack.restarts() == restarts
        assert stack.statuses("pagos", start) == {}
    finally:
        stack.update("pagos", "--py", str(good))
    dead = {key for key in keys(stack.read("orden-creada-DLQ")) if key.startswith(start)}
    assert len(dead) < 20
    # An order whose letter was written before its message was acknowledged comes again, and this version charges it.
    wait_until(lambda: stack.ended(start) >= LOAD - len(dead), 90, "all but the dead-lettered have ended")
    replayed = alpes("dlq", "replay", "--error", "bug", tienda=stack)
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    stack.wait_ended(start, LOAD, 90)
    wait_until(lambda: "HALTED" not in status(stack)[1], 60, "the status is well again")
