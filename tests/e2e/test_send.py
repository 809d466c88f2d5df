"""`alpes send` on the real system: runs that are killed and go on, drills, files. And what the doctor says of it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from client.orders import order_stream, random_seed
from tests.e2e.tienda import ROOT, Tienda, alpes, new_prefix, wait_until

pytestmark = pytest.mark.core


def begin(stack: Tienda, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "client", "send", *arguments],
        cwd=ROOT,
        env={**os.environ, "PULSAR_SERVICE_URL": stack.service_url, "PULSAR_ADMIN_URL": stack.admin_url},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_run_that_is_killed_twice_goes_on_with_the_same_ids_until_each_has_ended(
    stack: Tienda, tmp_path: Path
) -> None:
    count, seed, notes = 1_500, random_seed(), tmp_path / "run"
    ids = [order.id for order in order_stream(seed, count)]
    options = ("--resume", str(notes), "--rate", "300", "--orders", str(count), "--seed", str(seed))
    for share in (0.2, 0.5):
        killed = begin(stack, *options)
        wait_until(
            lambda share=share: stack.statuses("ordenes", ids[int(count * share)]),  # type: ignore[misc]
            60,
            "the run is under way",
        )
        time.sleep(0.6)
        killed.kill()
        killed.communicate(timeout=30)
    last = alpes("send", "--resume", str(notes), "--json", tienda=stack)
    assert last.returncode == 0, last.stdout + last.stderr
    told = json.loads(last.stdout)
    assert 0 < told["ended_before"] < count
    assert told["orders"] == count - told["ended_before"]
    assert told["outcomes"]["dead_lettered"] == told["outcomes"]["unaccounted"] == 0
    found = stack.rows("ordenes", "SELECT id FROM ordenes WHERE id = ANY(%s) AND status <> 'creada'", ids)
    assert len(found) == count
    again = alpes("send", "--resume", str(notes), tienda=stack)
    assert (again.returncode, again.stdout) == (
        0,
        f"All {count:,} orders of this run were done before. Nothing was sent.\n",
    )


def test_ctrl_c_ends_a_run_with_what_was_sent_and_what_ended(stack: Tienda, tmp_path: Path) -> None:
    notes = tmp_path / "run"
    run = begin(stack, "--resume", str(notes), "--rate", "50", "--for", "10m", "--json")
    wait_until(lambda: notes.exists() and b"ended" in notes.read_bytes(), 60, "orders have ended")
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert err.splitlines() == [f"Continue with: alpes send --resume {notes}", "alpes: interrupted"]
    told = json.loads(out)
    assert told["interrupted"]
    assert 0 < sum(told["outcomes"].values()) - told["outcomes"]["unaccounted"] <= told["orders"] < 30_000


def test_each_message_of_a_drill_ends_as_its_kind_should(stack: Tienda) -> None:
    mix = "valid=70,duplicate=10,conflict=10,bad=10"
    drill = alpes("send", "--orders", "400", "--mix", mix, "--json", tienda=stack)
    assert drill.returncode == 0, drill.stdout + drill.stderr
    found = json.loads(drill.stdout)["mix"]
    assert set(found) == {"valid", "duplicate", "conflict", "bad"}
    assert sum(kind["sent"] for kind in found.values()) == 400
    assert all(kind["sent"] == kind["as_expected"] for kind in found.values())


def test_a_file_is_sent_as_it_says(stack: Tienda, tmp_path: Path) -> None:
    prefix, file = new_prefix("f"), tmp_path / "orders.csv"
    file.write_text(
        "id,client_id,address,total_cents,currency,direccion.ciudad\n"
        + "".join(f'{prefix}{n},{n},"Calle {n}, 2",{n},COP,Bogotá\n' for n in range(50))
    )
    sent = alpes("send", "--from-file", str(file), tienda=stack)
    assert sent.returncode == 0, sent.stdout + sent.stderr
    rows = stack.rows(
        "ordenes",
        "SELECT client_id, address, total_cents, currency FROM ordenes WHERE id >= %s AND id < %s ORDER BY client_id",
        prefix,
        prefix + "~",
    )
    assert rows == [(n, f"Calle {n}, 2", n, "COP") for n in range(50)]
    again = alpes("send", "--from-file", str(file), tienda=stack)
    assert "All 50 orders existed already" in again.stdout


def test_the_doctor_finds_the_running_system_well(stack: Tienda, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    found = alpes("doctor", "--json", tienda=stack)
    told = json.loads(found.stdout)
    levels = {each["part"]: each["level"] for each in told["findings"]}
    needed = {
        "broker",
        "worker",
        "state store",
        "database ordenes",
        "schemas",
        "function ordenes",
        "clock",
        "local stack",
    }
    assert {part: levels.get(part) for part in needed} == dict.fromkeys(needed, "ok"), found.stdout
    assert (found.returncode, told["healthy"]) == (0, True)
