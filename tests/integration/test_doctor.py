"""What the doctor says of databases and clocks, on a real PostgreSQL and without any Pulsar."""

from alpes_runtime.migrations import migrate
from deployment import function_configs
from deployment.doctor.examination import CHECKS, examine
from deployment.doctor.finding import OK, PROBLEM, SKIPPED, Finding
from deployment.doctor.place import find
from tests.integration.conftest import MIGRATIONS


def test_the_doctor_looks_at_databases_and_clocks_without_any_pulsar(empty_dsn: str) -> None:
    configs = list(function_configs.load().values())
    others = {config.dsn_variable: "host=127.0.0.1 port=1 user=u password=s3cret" for config in configs}
    environ = {**others, "ALPES_PAGOS_DSN": empty_dsn, "PULSAR_SERVICE_URL": "pulsar://127.0.0.1:1"}
    environ["PULSAR_ADMIN_URL"] = "http://127.0.0.1:1"
    place = find(configs, environ, 10.0)
    names = ("databases", "clock", "schemas")

    def look() -> dict[str, Finding]:
        return {each.part: each for each in examine(place, 30.0, {name: CHECKS[name] for name in names})}

    found = look()
    assert found["database pagos"].level == PROBLEM
    assert "migrations of this checkout, from 0001_" in found["database pagos"].what
    assert found["database ordenes"].what.startswith("No database at ALPES_ORDENES_DSN")
    assert found["database ordenes"].advice == "Start it, or correct ALPES_ORDENES_DSN."
    assert not any("s3cret" in finding.what for finding in found.values())
    assert (found["clock"].level, found["schemas"].level) == (OK, SKIPPED)
    migrate(empty_dsn, MIGRATIONS["pagos"])
    assert look()["database pagos"].level == OK
