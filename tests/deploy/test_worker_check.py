"""What a deployment first asks the worker's Python, when functions bring different modules of one name."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.deploy.conftest import PYTHON_INSTANCE

SCRIPT = Path(__file__).parents[2] / "deployment" / "worker_check.py"


@pytest.mark.parametrize("shared", ["alpes_runtime", "functions", "schemas"])
def test_each_function_is_imported_with_what_its_own_zip_has(shared: str, tmp_path: Path) -> None:
    for name, text in PYTHON_INSTANCE.items():
        (tmp_path / name).write_text(text)
    functions = []
    for name in ("one", "two"):
        package = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr(f"{name}/src/{shared}/__init__.py", f"NAME = {name!r}\n")
            archive.writestr(f"{name}/src/{shared}/only_{name}.py", "class Function: pass\n")
            archive.writestr(f"{name}/src/entry_{name}.py", f"from {shared}.only_{name} import Function\n")
        functions.append(
            {
                "name": name,
                "package": str(package),
                "class": f"entry_{name}.Function",
                "user_config": {},
                "variable": "",
            }
        )
    task = {
        "instances": str(tmp_path),
        "functions": functions,
        "state_url": "bk://127.0.0.1:1",
        "state_namespace": "alpes_tienda",
    }
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], input=json.dumps(task), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
    assert (tmp_path / "tables").read_text().split() == ["alpes_tienda.one", "alpes_tienda.two"]


def test_without_a_state_store_s_address_no_table_is_made(tmp_path: Path) -> None:
    for name, text in PYTHON_INSTANCE.items():
        (tmp_path / name).write_text(text)
    package = tmp_path / "one.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr("one/src/entry.py", "class Function: pass\n")
    function = {"name": "one", "package": str(package), "class": "entry.Function", "user_config": {}, "variable": ""}
    task = {"instances": str(tmp_path), "functions": [function], "state_url": False, "state_namespace": "n"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], input=json.dumps(task), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == ""
    assert not (tmp_path / "tables").exists()
