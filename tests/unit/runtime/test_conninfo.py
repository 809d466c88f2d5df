"""A service's DSN: what of it counts, and that no error shows its password."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from alpes_runtime.errors import Misconfigured
from alpes_runtime.postgres import OPTIONS, conninfo
from deployment import databases, function_configs
from deployment.errors import DeploymentError
from deployment.probe_function import alpes_probe
from deployment.target import Target
from operations.database import database
from operations.errors import NoDatabaseError

VARIABLE = "ALPES_PAGOS_DSN"
UNREADABLE = (
    "postgresql+psycopg://pagos:S3CRET@h/pagos",
    "'postgresql://pagos:S3CRET@h/pagos'",
    "postgresql://pagos:S3%CRET@h/pagos",
    "postgresql://pagos:S3@CRET@h/pagos",
    "postgresql://pagos:12/S3CRET@h/pagos",
    "postgresql://pagos:S3/CRET@h/pagos",
    "host=h password=S3 CRET",
)


def settings(dsn: str) -> dict[str, str]:
    return {name: str(value) for name, value in conninfo_to_dict(conninfo(dsn, "a test")).items()}


def test_a_dsn_has_our_settings_behind_its_own() -> None:
    plain = settings("postgresql://pagos:a%40b@h1:1,h2:2/pagos?target_session_attrs=read-write")
    assert (plain["host"], plain["port"], plain["password"]) == ("h1,h2", "1,2", "a@b")
    assert (plain["options"], plain["connect_timeout"], plain["application_name"]) == (OPTIONS, "5", "a test")
    own = settings("postgresql://h/pagos?options=-csearch_path%3Dalpes&connect_timeout=3")
    assert (own["options"], own["connect_timeout"]) == (f"-csearch_path=alpes {OPTIONS}", "3")
    assert settings("host=/run/a@b dbname=pagos")["host"] == "/run/a@b"


@pytest.mark.parametrize("dsn", UNREADABLE)
def test_a_dsn_that_cannot_be_read_is_never_shown(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misconfigured, match="@ is %40") as of_a_function:
        conninfo(dsn, "a test")
    target = Target("pulsar://nowhere:6650", "http://nowhere:8080", {VARIABLE: dsn}, local=None)
    with pytest.raises(DeploymentError, match=f"{VARIABLE} at an address that can't be read") as of_a_deployment:
        databases.apply([function_configs.load()["pagos"]], target)
    with (
        pytest.raises(NoDatabaseError, match=VARIABLE) as of_an_operation,
        database("pagos", dsn, statement_timeout_s=1),
    ):
        pytest.fail("connected")
    monkeypatch.setenv(VARIABLE, dsn)
    told = alpes_probe._variable_problem(VARIABLE)
    assert told == "is no connection string of PostgreSQL"
    for caught in (of_a_function, of_a_deployment, of_an_operation):
        error: BaseException | None = caught.value
        while error is not None and not error.__suppress_context__:
            assert "CRET" not in str(error)
            error = error.__cause__ or error.__context__
        assert error is None or "CRET" not in str(error)
