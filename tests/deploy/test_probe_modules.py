"""The probe asks a worker for every package that the functions need there, and names the one that it lacks."""

import json
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from deployment import function_configs, probe

ROOT = Path(__file__).parents[2]
# As an instance of the worker does.
ASK = """
import json, sys
from alpes_probe import Probe

class Context:
    get_instance_id = staticmethod(lambda: 0)
    put_state = staticmethod(lambda key, value: None)
    get_state = staticmethod(lambda key: "here")

print(Probe().process(sys.argv[1], Context()))
"""


def test_each_package_of_the_functions_is_asked_for_by_a_module_of_its_own() -> None:
    packages = re.findall(r"^[\w-]+", (ROOT / "requirements" / "runtime.in").read_text(), re.MULTILINE)
    asked = probe.modules()
    assert len(set(asked)) == len(asked) == len(packages)
    assert {"google.protobuf", "grpc", "psycopg", "pulsar", "urllib3"} <= set(asked)


@pytest.fixture(params=["urllib3"])
def worker(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A Python with all packages but one: urllib3, unless a test names another."""
    venv.create(tmp_path / "worker")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = tmp_path / "worker" / "lib" / version / "site-packages"
    for package in Path(sysconfig.get_path("purelib")).iterdir():
        if not package.name.startswith(request.param) and package.suffix != ".pth":
            (packages / package.name).symlink_to(package)
    return tmp_path / "worker" / "bin" / "python3"


def _run(
    worker: Path, program: str, *arguments: str, path: str, **variables: str
) -> "subprocess.CompletedProcess[str]":
    environ = {"PYTHONPATH": path, **variables}
    return subprocess.run([worker, "-c", program, *arguments], env=environ, capture_output=True, text=True, check=False)


def test_a_worker_without_urllib3_is_told_so(worker: Path) -> None:
    question = json.dumps({"modules": probe.modules(), "optional": probe.modules(probe.REPORTS), "variables": []})
    asked = _run(worker, ASK, question, path=str(probe.SOURCE.parent))
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout) == {
        "instance": "0",
        "problems": ["its Python lacks urllib3 (No module named 'urllib3')"],
        "missing": [],
    }
    # Pagos would die there.
    imported = _run(worker, "import functions.pagos.function", path=f"{ROOT}:{ROOT / 'runtime'}")
    assert "No module named 'urllib3'" in imported.stderr


def test_a_worker_without_the_formats_libraries_passes_and_says_what_it_lacks() -> None:
    assert probe.modules(probe.REPORTS) == ["jinja2", "pygal", "xlsxwriter"]
    question = json.dumps({"modules": ["json"], "optional": ["jinja2", "nobody_has_this"], "variables": []})
    asked = _run(Path(sys.executable), ASK, question, path=str(probe.SOURCE.parent))
    assert json.loads(asked.stdout) == {"instance": "0", "problems": [], "missing": ["nobody_has_this"]}


@pytest.mark.parametrize("worker", ["psycopg"], indirect=True)
def test_a_worker_needs_no_driver_for_functions_that_bring_it_but_their_variables(worker: Path) -> None:
    question = json.dumps(probe.asked([function_configs.load()["pagos"]], brings_packages=True))
    dsn = {"ALPES_PAGOS_DSN": "postgresql://pagos@127.0.0.1:1/pagos"}
    told = [_run(worker, ASK, question, path=str(probe.SOURCE.parent), **given).stdout for given in (dsn, {})]
    problems = [json.loads(each)["problems"] for each in told]
    assert problems == [[], ["its environment variable ALPES_PAGOS_DSN is not set"]]
