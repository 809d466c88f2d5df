"""Follows docs/write-a-report-format.md: one file is a format, in the project and in a package of somebody else's."""

import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet

from alpes_runtime.postgres import Postgres
from functions.reporting.child import Limits
from tests.documented import ROOT, documented_files
from tests.integration.reporting import actualizar, cambio, made

SERVICE = "reporting"
DOCUMENT = ROOT / "docs" / "write-a-report-format.md"
EXAMPLE = ROOT / "tests" / "report_format_parquet"
OWN = "functions/reporting/formats/tsv.py"
FILES = documented_files(DOCUMENT)


def test_the_documented_package_is_the_example_and_has_one_module() -> None:
    package = {name: text for name, text in FILES.items() if name != OWN}
    assert package == {path.name: path.read_text() for path in EXAMPLE.iterdir() if path.is_file()}
    assert sorted(package) == ["alpes_parquet.py", "pyproject.toml"]


def test_a_package_of_somebody_elses_adds_parquet_without_a_change_of_the_project(
    database: Postgres, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actualizar(database, *(cambio(f"o{n:03d}", total_cents=2**62, status="rechazada") for n in range(100)))
    before = made(dsn, "parquet")[-1]
    assert "there is no report format 'parquet'" in before.error
    shutil.copytree(EXAMPLE, tmp_path / "alpes-parquet")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    target = tmp_path / "worker"
    subprocess.run([sys.executable, *install, "--target", target, tmp_path / "alpes-parquet"], check=True)
    monkeypatch.setenv("PYTHONPATH", str(target), prepend=os.pathsep)
    parts = made(dsn, "parquet", Limits(60, 512))
    assert (parts[-1].error, parts[-1].content_type) == ("", "application/vnd.apache.parquet")
    rows = parquet.read_table(io.BytesIO(b"".join(part.content for part in parts))).to_pylist()
    assert [row["id"] for row in rows] == [f"o{n:03d}" for n in range(100)]
    assert (rows[0]["total_cents"], rows[0]["created_at_ms"]) == (2**62, 1_767_225_600_123)
    summed = made(dsn, "parquet", report="by-status")
    (total,) = parquet.read_table(io.BytesIO(b"".join(part.content for part in summed))).to_pylist()
    assert total["total_cents"] == 100 * 2**62


def test_one_file_is_a_format_of_the_project(
    database: Postgres, dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actualizar(database, cambio("a"))
    for folder in ("functions", "schemas"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / OWN).write_text(FILES[OWN])
    assert {path for path in tmp_path.rglob("*.py") if path.is_file()} - before == {tmp_path / OWN}
    # The function's own process starts the copy's program, as an updated instance does.
    monkeypatch.setattr("functions.reporting.child._paths", lambda: f"{tmp_path}{os.pathsep}{ROOT / 'runtime'}")
    (answer,) = made(dsn, "tsv")
    assert (answer.error, answer.content.split(b"\t")[:3]) == ("", [b"a", b"42", b"aprobada"])
