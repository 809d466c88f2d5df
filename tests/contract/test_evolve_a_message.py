"""docs/evolve-a-message.md: applied to a copy of the checkout, its lines make a version that passes our own checks."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import checkouts
from tests.documented import EVOLUTION, documented_changes

SCRIPTS = Path(sys.executable).parent
GENERATE = "buf format --write && buf lint && buf breaking --against released.binpb && buf generate"
CHANGED = {
    "functions/ordenes/messages.py",
    "schemas/tienda/upcasters/__init__.py",
    "schemas/tienda/upcasters/v2_to_v3.py",
    "schemas/tienda/v1/ordenes.proto",
    "tests/contract/golden/orden-actualizada.3.json",
}


def run(folder: Path, *command: str) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}{os.pathsep}{folder / 'runtime'}",
    }
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def evolved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout to which the document was applied, with the code that its command generates."""
    folder = checkouts.copy(tmp_path_factory.mktemp("evolved") / "checkout")
    patch = folder.parent / "documented.patch"
    patch.write_text(documented_changes(), encoding="utf-8")
    applied = run(folder, "git", "apply", str(patch))
    assert applied.returncode == 0, applied.stderr
    assert GENERATE in EVOLUTION.read_text(encoding="utf-8")
    generated = run(folder / "schemas", "sh", "-c", GENERATE)
    assert generated.returncode == 0, generated.stdout + generated.stderr
    return folder


def test_the_documented_version_is_whole() -> None:
    assert set(re.findall(r"^\+\+\+ b/(\S+)", documented_changes(), re.MULTILINE)) == CHANGED


@pytest.mark.timeout(240)  # the types are read with no cache
@pytest.mark.parametrize(
    "check",
    [
        ["ruff", "check"],
        ["ruff", "format", "--check"],
        ["mypy", "--follow-imports=silent", "schemas", "functions/ordenes"],
        ["lint-imports", "--no-logo", "--no-cache"],
    ],
    ids=" ".join,
)
def test_the_documented_version_passes_the_house_checks(evolved: Path, check: list[str]) -> None:
    done = run(evolved, *check)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(240)
def test_the_documented_version_passes_the_tests_of_the_contracts_and_the_services(evolved: Path) -> None:
    tests = [f"tests/contract/test_schemas_{name}.py" for name in ("golden", "seed", "buf")]
    tests += [f"tests/unit/services/test_{name}.py" for name in ("upcasters", "ordenes", "pagos", "reporting")]
    done = run(evolved, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr


def test_old_changes_say_what_the_documented_version_adds(evolved: Path) -> None:
    program = (
        "from schemas.tienda import upcasters\n"
        "from schemas.tienda.v1.ordenes_pb2 import OrdenActualizada\n"
        "for version in range(3):\n"
        "    for status in ('aprobada', 'reembolsada'):\n"
        "        old = OrdenActualizada(id='a', address='Calle 1', status=status, schema_version=version)\n"
        "        new = upcasters.newest(old, lambda: 7)\n"
        "        print(new.anterior, new.direccion.calle)\n"
    )
    done = run(evolved, sys.executable, "-c", program)
    assert done.stdout.splitlines() == 3 * ["creada Calle 1", "expirada Calle 1"], done.stderr
