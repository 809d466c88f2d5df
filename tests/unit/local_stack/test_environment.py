"""What `env` prints, and who may read the passwords in it."""

import stat
import subprocess
from pathlib import Path

import pytest

from local_stack import credentials, environment, services
from local_stack.errors import NotSetUpError
from local_stack.settings import Settings, from_environment

NAMES = (
    "PULSAR_SERVICE_URL",
    "PULSAR_ADMIN_URL",
    "PULSAR_ADMIN",
    "ALPES_API_URL",
    *services.dsn_variables().values(),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "a home with spaces"
    home.mkdir()
    return from_environment({"ALPES_HOME": str(home), "ALPES_PORT_OFFSET": "100"})


def test_before_the_first_up_there_is_nothing_to_print(settings: Settings) -> None:
    with pytest.raises(NotSetUpError, match=r"deploy\.sh up"):
        environment.export_lines(settings)


def test_each_line_sets_one_variable_in_a_shell(settings: Settings) -> None:
    credentials.load_or_make(settings)
    lines = environment.export_lines(settings)
    assert all(line.startswith("export ") for line in lines.splitlines())
    shown = subprocess.run(
        ["bash", "-c", f"{lines}\nprintenv {' '.join(NAMES)}"], capture_output=True, text=True, check=True
    )
    values = dict(zip(NAMES, shown.stdout.splitlines(), strict=True))
    assert values == environment.variables(settings)
    assert values["PULSAR_ADMIN"] == str(settings.pulsar_admin)
    assert values["ALPES_PAGOS_DSN"].startswith("postgresql://pagos:")
    assert values["ALPES_PAGOS_DSN"].endswith("@127.0.0.1:54420/pagos")


def test_passwords_are_made_once_and_only_their_owner_reads_them(settings: Settings) -> None:
    made = credentials.load_or_make(settings)
    assert credentials.load_or_make(settings) == made
    assert len(set(made.passwords.values())) == len(made.passwords)
    (file,) = settings.home.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
