"""What a secured stack has besides: its settings, its secrets, and a PostgreSQL with TLS."""

import dataclasses
import stat
from pathlib import Path

import pytest
import yaml

from local_stack import conf_files, credentials, environment, server_programs, stack
from local_stack.errors import LocalStackError, StartError
from local_stack.secured import secrets
from local_stack.settings import Settings, from_environment


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    home = tmp_path / "a home"
    home.mkdir()
    return dataclasses.replace(from_environment({"ALPES_HOME": str(home), "ALPES_PORT_OFFSET": "100"}), secure=True)


def test_a_stack_stays_what_it_was_made(settings: Settings) -> None:
    environ = {"ALPES_HOME": str(settings.home)}
    credentials.load_or_make(settings)
    again = from_environment(environ)
    assert (again.secure, again.service_url, again.admin_url) == (
        True,
        "pulsar+ssl://127.0.0.1:6750",
        "https://127.0.0.1:8180",
    )
    assert stack.secured(again) == again


def test_a_plain_stack_is_not_made_secure(settings: Settings) -> None:
    plain = dataclasses.replace(settings, secure=False)
    credentials.load_or_make(plain)
    with pytest.raises(LocalStackError, match=r"was made without --secure, and stays so: remove it with"):
        stack.secured(plain)


def test_a_plain_stack_has_no_variables_of_security(settings: Settings) -> None:
    plain = dataclasses.replace(settings, secure=False)
    credentials.load_or_make(plain)
    assert not {"PULSAR_TOKEN_FILE", "PULSAR_TLS_CA", "ALPES_API_TOKEN_FILE"} & set(environment.variables(plain))
    assert secrets.function_variables(plain) == {}
    secrets.make(plain)
    assert not secrets.folder(plain).exists()


def test_each_role_has_a_token_that_only_its_owner_reads(settings: Settings) -> None:
    secrets.make(settings)
    assert {"broker", "platform", "deployer", "operator", "ordenes", "api", "reader", "client"} <= set(secrets.roles())
    for role in secrets.roles():
        token = secrets.token(settings, role)
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
        assert secrets.security(settings, role).role() == role
    before = {path: path.read_bytes() for path in secrets.folder(settings).rglob("*") if path.is_file()}
    secrets.token(settings, "reader").unlink()
    secrets.make(settings)
    after = {path: path.read_bytes() for path in secrets.folder(settings).rglob("*") if path.is_file()}
    assert {path.name for path in before if before[path] != after[path]} <= {"reader"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in after} == {0o600}


def test_programs_connect_as_operator_and_functions_as_themselves(settings: Settings) -> None:
    credentials.load_or_make(settings)
    values = environment.variables(settings)
    assert values["PULSAR_TOKEN_FILE"].endswith("/secrets/tokens/operator")
    home = str(settings.home).replace(" ", "%20")
    end = f"@127.0.0.1:54420/pagos?sslmode=verify-full&sslrootcert={home}/secrets/ca.pem"
    assert values["ALPES_PAGOS_DSN"].endswith(end)
    assert secrets.function_variables(settings)["ALPES_PAGOS_TOKEN_FILE"].endswith("/secrets/tokens/pagos")


def test_pulsar_and_postgresql_speak_tls_alone(settings: Settings) -> None:
    lines = conf_files.standalone_conf("brokerServicePort=6650\nwebServicePort=8080\n", settings).splitlines()
    assert {"brokerServicePort=", "webServicePort=", "brokerServicePortTls=6750", "webServicePortTls=8180"} <= set(
        lines
    )
    assert {"authenticationEnabled=true", "authorizationEnabled=true", "superUserRoles=broker,platform"} <= set(lines)
    worker = yaml.safe_load(conf_files.functions_worker_yml("functionRuntimeFactoryConfigs: {}\n", settings))
    assert worker["useTls"]
    assert "hostssl all all" in conf_files.hba_conf(settings)
    assert "ssl = on" in conf_files.postgres_conf(settings).splitlines()
    assert "authParams=file:///" in conf_files.client_conf("", settings)


def program(folder: Path, version: str, library: str = "OpenSSL 3") -> Path:
    """Make a PostgreSQL that says its version."""
    folder.mkdir(parents=True)
    (folder / "postgres").write_text(f"#!/bin/sh\n# {library}\necho 'postgres (PostgreSQL) {version}'\n")
    (folder / "postgres").chmod(0o755)
    return folder


def test_the_newest_of_the_machine_is_taken_and_later_the_one_that_the_data_need(tmp_path: Path) -> None:
    data = tmp_path / "data"
    for version in ("13", "15", "17"):
        program(tmp_path / version / "bin", f"{version}.2 (Debian)")
    assert server_programs.with_tls("", data, tmp_path) == tmp_path / "17" / "bin"
    data.mkdir()
    (data / "PG_VERSION").write_text("15\n")
    assert server_programs.with_tls("", data, tmp_path) == tmp_path / "15" / "bin"


@pytest.mark.parametrize(
    ("version", "library", "says"),
    [
        ("13.1", "OpenSSL", "which has no PostgreSQL from 14 on in it"),
        ("18.1", "", "was built without TLS"),
        ("17.1", "OpenSSL", "is PostgreSQL 17, and the data are of 15"),
    ],
)
def test_a_named_postgresql_that_does_not_do_is_told(tmp_path: Path, version: str, library: str, says: str) -> None:
    named = program(tmp_path / "bin", version, library)
    (tmp_path / "PG_VERSION").write_text("15")
    with pytest.raises(StartError, match=says):
        server_programs.with_tls(str(named), tmp_path, tmp_path)


def test_without_one_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"needs PostgreSQL from 14 on with TLS.*apt-get install postgresql"):
        server_programs.with_tls("", tmp_path, tmp_path)
