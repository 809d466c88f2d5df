"""buf finds the contracts well formed, unbroken since the release, and their generated code current."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCHEMAS = Path(__file__).parent.parent.parent / "schemas"
SCRIPTS = Path(sys.executable).parent


def buf(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    # buf.gen.yaml runs `python -m grpc_tools.protoc`: it must be this environment's.
    environment = os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        [SCRIPTS / "buf", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SCHEMAS, tmp_path / "schemas", ignore=shutil.ignore_patterns("__pycache__")))


def change(copy: Path, file: str, old: str, new: str) -> None:
    path = copy / "tienda" / "v1" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def test_the_contracts_are_well_formed() -> None:
    result = buf("lint", cwd=SCHEMAS)
    assert result.returncode == 0, result.stdout + result.stderr


def test_nothing_is_broken_since_the_release() -> None:
    result = buf("breaking", "--against", "released.binpb", cwd=SCHEMAS)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        pytest.param("int32 client_id = 2;", "string client_id = 2;", "client_id", id="another type"),
        pytest.param("string address = 3;", "string address = 33;", '"3"', id="another number"),
        pytest.param("  string service = 6;\n", "", '"6"', id="a field gone"),
        pytest.param("string currency = 9;", "string moneda = 9;", "currency", id="another name"),
        pytest.param("message CrearOrden {", "message HacerOrden {", "CrearOrden", id="a message gone"),
    ],
)
def test_a_breaking_change_is_caught(copy: Path, old: str, new: str, complaint: str) -> None:
    change(copy, "ordenes.proto", old, new)
    result = buf("breaking", "--against", "released.binpb", cwd=copy)
    assert result.returncode != 0
    assert complaint in result.stdout


def test_a_new_field_breaks_nothing(copy: Path) -> None:
    change(copy, "ordenes.proto", "string traceparent = 10;\n", "string traceparent = 10;\n  string note = 50;\n")
    result = buf("breaking", "--against", "released.binpb", cwd=copy)
    assert result.returncode == 0, result.stdout + result.stderr


def generated(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*_pb2.py*"))}


def test_the_generated_code_is_current(copy: Path) -> None:
    committed = generated(SCHEMAS)
    for name in committed:
        (copy / name).unlink()
    result = buf("generate", cwd=copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert generated(copy) == committed, "run `buf generate` in schemas/ (schemas/README.md)"


def test_generated_code_that_is_not_current_is_caught(copy: Path) -> None:
    change(copy, "pagos.proto", "string currency = 5;", "string currency = 5;\n  string note = 50;")
    assert buf("generate", cwd=copy).returncode == 0
    assert generated(copy) != generated(SCHEMAS)
