"""`pulsar-admin` is given a worker's address, and only when it is run."""

from pathlib import Path
from typing import Any

from deployment.pulsar_cli import PulsarAdmin

BROKER, WORKER = "http://broker:8080", "http://worker:6750"


class Api:
    """A broker's admin API, whose worker is apart."""

    def __init__(self) -> None:
        self.functions_url = BROKER

    def worker_url(self) -> str:
        self.functions_url = WORKER
        return WORKER


def test_a_command_is_run_at_a_worker_and_shown_without_asking_for_one(tmp_path: Path) -> None:
    program, asked = tmp_path / "pulsar-admin", tmp_path / "asked"
    program.write_text(f'#!/bin/sh\necho "$@" > {asked}\n')
    program.chmod(0o755)
    api: Any = Api()
    cli = PulsarAdmin(program, api)
    assert f"--admin-url {BROKER} functions start" in cli.line("start")
    cli.functions("start", "--name", "pagos")
    assert asked.read_text() == f"--admin-url {WORKER} functions start --name pagos\n"
    assert f"--admin-url {WORKER} functions start" in cli.line("start")
