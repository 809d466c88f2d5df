"""A database that can't be reached is named by all of its servers, and without its password."""

import pytest

from deployment import databases, function_configs
from deployment.errors import DeploymentError
from deployment.target import Target

PAGOS = function_configs.load()["pagos"]


@pytest.mark.parametrize(
    ("place", "told"),
    [
        ("127.0.0.1:1,127.0.0.1:2", "127.0.0.1:1, 127.0.0.1:2"),
        ("127.0.0.1:3", "127.0.0.1:3"),
        ("127.0.0.1,127.0.0.2:4", "127.0.0.1:5432, 127.0.0.2:4"),
    ],
)
def test_every_server_is_named(place: str, told: str) -> None:
    dsn = f"postgresql://pagos:secret@{place}/pagos?target_session_attrs=read-write&connect_timeout=1"
    target = Target("pulsar://nowhere:6650", "http://nowhere:8080", {PAGOS.dsn_variable: dsn}, local=None)
    with pytest.raises(DeploymentError) as caught:
        databases.apply([PAGOS], target)
    assert f"(ALPES_PAGOS_DSN at {told}): " in str(caught.value)
    assert "secret" not in str(caught.value)
