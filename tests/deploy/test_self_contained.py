"""`./deploy.sh package`: the functions' zips, with or without the packages that they import."""

import zipfile
from pathlib import Path

import pytest
import yaml

from deployment import cli, function_configs, packages, wheels
from deployment.errors import DeploymentError
from deployment.wheels import INSTANCES, Interpreter

LOCK = """\
alpha==1.0 \\
    --hash=sha256:aa
    # via -r runtime.in
beta==2.0 ; python_version < '4' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
    # via
    #   -c dev.txt
    #   alpha
    #   pulsar-client
grpcio==1.0 \\
    --hash=sha256:dd
    # via
    #   -r runtime.in
    #   alpha
pulsar-client==3.13.0 \\
    --hash=sha256:ee
    # via -r runtime.in
six==1.0 \\
    --hash=sha256:ff
    # via pulsar-client
"""


def test_a_zip_brings_what_functions_import_with_what_that_needs_and_nothing_that_the_instance_has_loaded() -> None:
    found = wheels.needed(LOCK)
    assert list(found) == ["alpha", "beta"]
    assert found["beta"].startswith("beta==2.0 ; python_version < '4' \\\n    --hash=sha256:bb")
    assert wheels.versions(LOCK) == ["grpcio 1.0", "pulsar-client 3.13.0"]
    assert list(wheels.of_instances(LOCK)) == ["beta", "grpcio", "pulsar-client", "six"]


def test_of_the_lock_every_package_is_the_instances_or_the_zips() -> None:
    found = wheels.needed(wheels.LOCK.read_text())
    assert {"psycopg", "psycopg-binary", "cramjam", "iso4217", "tzdata", "urllib3"} <= set(found)
    assert not INSTANCES & set(found)
    assert {line.split()[0] for line in wheels.versions(wheels.LOCK.read_text())} == INSTANCES


def test_wheels_lie_where_pulsars_instance_installs_them_from(tmp_path: Path) -> None:
    wheel = tmp_path / "alpha-1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    config = function_configs.load()["pagos"]
    package = packages.build(config, tmp_path / "with", wheels=[wheel])
    with zipfile.ZipFile(package) as archive:
        assert archive.read(f"{package.stem}/deps/{wheel.name}") == b"a wheel"
        sources = [name for name in archive.namelist() if "/src/" in name]
    with zipfile.ZipFile(packages.build(config, tmp_path / "without")) as archive:
        assert archive.namelist() == sources


def test_package_writes_a_zip_and_its_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["package", "pagos", "--output", str(tmp_path)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"alpes-pagos.zip", "pagos.yaml"}
    assert "autoscale" not in yaml.safe_load((tmp_path / "pagos.yaml").read_text())
    assert "alpes-pagos.zip" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--python", "3.12"], "--python and --platform are for the wheels of --self-contained."),
        (["--self-contained", "--python", "python3"], "--python is 'python3'; it must be like 3.12."),
        (["pago"], "There is no function 'pago'. Did you mean 'pagos'?"),
    ],
)
def test_wrong_usage_is_one_line(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["package", *arguments, "--output", str(tmp_path)]) == 2
    assert told in capsys.readouterr().err


def test_packages_that_can_not_be_had_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    lock = tmp_path / "runtime.txt"
    lock.write_text("alpha==1.0 \\\n    --hash=sha256:aa\n    # via -r runtime.in\n")
    with pytest.raises(DeploymentError, match=r"The packages for Python 3.12 on somewhere can't be had: .*Is there a"):
        wheels.fetch(tmp_path / "wheels", Interpreter("3.12", ("somewhere",)), lock)
