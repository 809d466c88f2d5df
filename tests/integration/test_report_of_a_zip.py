"""A function that a worker unpacked from its zip makes reports from that zip alone."""

import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

from alpes_runtime.postgres import Postgres
from deployment import function_configs, packages
from schemas.tienda.v1.reporting_pb2 import ReporteGenerado
from tests.integration.reporting import actualizar, cambio

SERVICE = "reporting"
INSTANCE = """
import logging, sys
sys.path.insert(0, sys.argv[1])
from functions.reporting.child import Limits
from functions.reporting.domain import Pedido
from functions.reporting.reports import Reports
class Published:
    def publish(self, events):
        return True
reports = Reports("t", Published(), lambda: sys.argv[2], "alpes report", Limits(60, 512), lambda: 1, lambda: False,
    logging.getLogger())
for name in ("html", "ndjson"):
    sys.stdout.buffer.write(reports.ask(Pedido("r", name, "")).payload.hex().encode() + b"\\n")
"""


def test_an_instance_makes_reports_from_its_zip_alone(database: Postgres, dsn: str, tmp_path: Path) -> None:
    actualizar(database, cambio("a"))
    package = packages.build(function_configs.load()[SERVICE], tmp_path)
    with zipfile.ZipFile(package) as archive:
        archive.extractall(tmp_path)
    source = tmp_path / package.stem / "src"
    # As Pulsar's instance: the zip's folder is on its path, and no variable names another place.
    done = subprocess.run(
        [sys.executable, "-P", "-c", INSTANCE, source, dsn],
        cwd="/",
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    page, lines = (ReporteGenerado.FromString(bytes.fromhex(line)) for line in done.stdout.split())
    assert (page.error, page.content.startswith(b"<!doctype html>")) == ("", True)
    assert json.loads(lines.content)["id"] == "a"
    assert lines.sha256 == hashlib.sha256(lines.content).digest()
