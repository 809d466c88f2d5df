"""Reports beside the events: many at once, and one whose instance is killed."""

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

from schemas.tienda.v1.reporting_pb2 import GenerarReporte, ReporteGenerado
from tests.e2e.tienda import ROOT, Tienda, new_prefix, orders, wait_until

AT_ONCE = 20


def test_reports_asked_at_once_all_end_and_orders_go_on_beside_them(stack: Tienda) -> None:
    asked = {str(uuid.uuid4()) for _ in range(AT_ONCE)}
    commands = [(each, GenerarReporte(report_id=each, format="csv", report="by-day")) for each in asked]
    stack.publish("generar-reporte", [(key, command.SerializeToString()) for key, command in commands])
    start = new_prefix("t")
    stack.publish("crear-orden", orders(start, 100))
    wait_until(lambda: stack.ended(start) == 100, 30, "the orders have ended")

    def ended() -> set[str]:
        parts = [ReporteGenerado.FromString(message.data()) for message in stack.read("reporte-generado")]
        return {part.report_id for part in parts if part.last and not part.error}

    wait_until(lambda: asked <= ended(), 120, "every report has ended", every=2)


def test_a_report_whose_instance_is_killed_is_made_again(stack: Tienda, tmp_path: Path) -> None:
    (instance,) = stack.processes("reporting")
    report = tmp_path / "orders.csv"
    environment = dict(os.environ, PULSAR_SERVICE_URL=stack.service_url, PULSAR_ADMIN_URL=stack.admin_url)
    command = [sys.executable, "-m", "client", "report", "--output", str(report), "--timeout", "180"]
    with subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True) as asking:
        wait_until(instance.children, 60, "the report's process runs", every=0.01)
        processes = instance.children()
        os.kill(instance.pid, signal.SIGKILL)
        _, told = asking.communicate(timeout=300)
    assert asking.returncode == 0, told
    assert not any(process.is_running() and process.status() != "zombie" for process in processes)
    ids = [line.split(",")[0] for line in report.read_text().splitlines()[1:]]
    assert sorted(ids) == sorted(row[0] for row in stack.rows("reporting", "SELECT id FROM ordenes"))
