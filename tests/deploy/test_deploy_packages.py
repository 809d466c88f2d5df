"""The zips have the same bytes for the same sources, and hold what a function needs and nothing else."""

import dataclasses
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from deployment import function_configs, packages, preflight
from deployment.errors import WorkerNotReadyError
from tests.deploy.conftest import ROOT, Checkout

SERVICES = tuple(function_configs.load())


def build(checkout: Checkout, service: str) -> Path:
    return packages.build(function_configs.load()[service])


@pytest.mark.parametrize("service", SERVICES)
def test_a_zip_is_the_same_whenever_it_is_built(checkout: Checkout, service: str) -> None:
    first = build(checkout, service).read_bytes()
    for path in checkout.root.rglob("*.py"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
        path.chmod(0o700)
    (checkout.root / "functions" / service / "__pycache__").mkdir()
    (checkout.root / "functions" / service / "__pycache__" / "domain.cpython-311.pyc").write_bytes(b"anything")
    assert build(checkout, service).read_bytes() == first


def test_deployments_at_once_each_find_whole_files(checkout: Checkout) -> None:
    config = function_configs.load()["ordenes"]
    package = build(checkout, "ordenes")
    with ThreadPoolExecutor(4) as pool:
        for file in pool.map(lambda _: packages.write_config(config, build(checkout, "ordenes")), range(12)):
            assert zipfile.ZipFile(package).testzip() is None
            assert yaml.safe_load(file.read_text()) == config.pulsar_values
    assert {path.name for path in package.parent.iterdir()} == {package.name, "ordenes.yaml"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_zip_holds_its_service_the_runtime_the_schemas_and_the_wire_only(checkout: Checkout, service: str) -> None:
    names = zipfile.ZipFile(build(checkout, service)).namelist()
    assert len(names) == len(set(names))
    source = f"alpes-{service}/src/"
    assert all(name.startswith(source) for name in names)
    inside = [name.removeprefix(source) for name in names]
    assert f"functions/{service}/function.py" in inside
    assert "functions/__init__.py" in inside
    assert "alpes_runtime/testing.py" not in inside
    assert "schemas/tienda/v1/ordenes_pb2.py" in inside
    rooms = {
        f"functions/{name.split('/')[1]}" if name.startswith("functions/") else name.split("/")[0] for name in inside
    }
    assert rooms == {"functions/__init__.py", f"functions/{service}", "schemas", "alpes_runtime", "alpes_wire"}
    assert {Path(name).suffix for name in inside} - {".jinja"} == {".py", ".sql"}


@pytest.mark.parametrize("service", SERVICES)
def test_a_function_imports_from_its_zip_alone(checkout: Checkout, service: str, tmp_path: Path) -> None:
    package = build(checkout, service)
    zipfile.ZipFile(package).extractall(tmp_path / "unpacked")
    source = tmp_path / "unpacked" / package.stem / "src"
    code = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import functions.{service}.function as f; print(f.__file__)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(source)


def test_the_config_files_name_the_folder_that_is_ignored() -> None:
    assert packages.BUILD == ROOT / "build"
    assert subprocess.run(["git", "check-ignore", "--quiet", "build/x.zip"], cwd=ROOT, check=False).returncode == 0


def test_a_mistyped_user_config_is_named_without_asking_any_worker() -> None:
    config = function_configs.load()["ordenes"]
    wrong = dataclasses.replace(
        config, values=config.values | {"userConfig": config.user_config | {"batch_maximum": 1}}
    )
    with pytest.raises(WorkerNotReadyError, match=r"'batch_maximum'.*'batch_max'"):
        preflight.check_user_configs([wrong])
