"""The secured local stack, made as a user would, and who connects to it as what."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_stack import server_programs
from local_stack.errors import StartError
from tests import stack
from tests.e2e.tienda import ROOT
from tests.secure.shop import Shop

HOME = ROOT / ".alpes-pruebas-segura"


@pytest.fixture(scope="package")
def shop() -> Iterator[Shop]:
    """Bring the secured stack up in a folder and on ports of its own, and down before the tests of another layer."""
    try:
        server_programs.with_tls(os.environ.get("ALPES_POSTGRES_BIN", ""), Path("/nonexistent"))
    except StartError as error:
        pytest.skip(str(error))
    environment = stack.own_environment(HOME)
    with stack.taken_down(environment):
        stack.deploy("up", "--secure", environment=environment)
        stack.deploy("deploy", environment=environment)
        made = Shop(environment)
        yield made
        made.close()
