"""The documents agree with the code and with each other."""

import dataclasses
import py_compile
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from alpes_runtime import FunctionConfig
from alpes_runtime.config import parse_config
from functions.ordenes.function import OrdenesConfig
from functions.pagos.function import PagosConfig
from functions.reporting.function import ReportingConfig
from tests.documented import ROOT, documented_files, write_tree

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), ROOT / "schemas" / "README.md"])
DECISIONS = ROOT / "docs" / "decisions"
MIGRATIONS = sorted(ROOT.glob("functions/*/sql/migrations/*.sql"))
FUNCTION_LINES = 70


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Leave out fences and code spans, since a link in them is no link."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^\s*```.*?^\s*```$", "", text, flags=re.MULTILINE | re.DOTALL))


def anchors(text: str) -> set[str]:
    """Return the names that headings are linked by, as GitHub makes them."""
    unfenced = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", unfenced, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


# -- links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(text_of(document))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (document.parent / name).resolve() if name else document
        if not path.exists() or (anchor and anchor not in anchors(text_of(path))):
            broken.append(target)
    assert not broken


def test_every_decision_is_in_the_index_under_its_own_title() -> None:
    index = text_of(DECISIONS / "README.md")
    for path in DECISIONS.glob("[0-9]*.md"):
        number, title = re.findall(r"^# (\d{4})\. (.+)$", text_of(path), re.MULTILINE)[0]
        assert path.name.startswith(f"{number}-")
        assert f"[{title}]({path.name})" in index, path.name


def test_every_decision_has_the_same_four_parts() -> None:
    for path in DECISIONS.glob("[0-9]*.md"):
        assert re.findall(r"^## (.+)$", text_of(path), re.MULTILINE) == [
            "Context",
            "Options",
            "Decision",
            "Consequences",
        ], path.name


def test_every_decision_that_the_sources_name_is_there() -> None:
    numbers = {path.name[:4] for path in DECISIONS.glob("[0-9]*.md")}
    named = {
        number
        for folder in ("runtime", "functions", "client", "local_stack", "deployment")
        for path in (ROOT / folder).rglob("*.py")
        for number in re.findall(r"docs/decisions/(\d{4})", text_of(path))
    }
    assert named
    assert named <= numbers


# -- tables, topics, configuration


def columns() -> list[Any]:
    """Return (service, table, column) of every column that a migration creates and no later one drops."""
    found: dict[tuple[str, str, str], None] = {}
    for path in MIGRATIONS:
        service, text = path.parts[-4], text_of(path)
        for table, body in re.findall(r"^CREATE TABLE (\w+) \(\n(.*?)^\)", text, re.MULTILINE | re.DOTALL):
            for name in re.findall(r"^ {4}([a-z_]+) [a-z]", body, re.MULTILINE):
                found[service, table, name] = None
        for table, change, name in re.findall(r"^ALTER TABLE (\w+) (ADD|DROP) COLUMN (\w+)", text, re.MULTILINE):
            if change == "ADD":
                found[service, table, name] = None
            else:
                del found[service, table, name]
    return [pytest.param(*each, id=".".join(each)) for each in found]


def section(text: str, heading: str) -> str:
    """Return the text under a heading."""
    level = heading.split(" ", 1)[0]
    found = re.search(rf"^{re.escape(heading)}$.*?(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[0]


@pytest.mark.parametrize(("service", "table", "column"), columns())
def test_every_column_is_documented(service: str, table: str, column: str) -> None:
    document = section(text_of(ROOT / "docs" / "tables.md"), f"## Database `{service}`")
    assert f"| `{column}` |" in section(document, f"### Table `{table}`")


def test_every_status_that_a_table_allows_is_documented() -> None:
    document = text_of(ROOT / "docs" / "tables.md")
    for path in MIGRATIONS:
        part = section(document, f"## Database `{path.parts[-4]}`")
        for statuses in re.findall(r"CHECK \(status IN \(([^)]*)\)", text_of(path)):
            for status in re.findall(r"'(\w+)'", statuses):
                assert f"`{status}`" in part, f"{path.parts[-4]}: {status}"


@pytest.mark.parametrize("kind", [OrdenesConfig, PagosConfig, ReportingConfig])
def test_every_configuration_key_is_documented(kind: type[FunctionConfig]) -> None:
    document = text_of(ROOT / "docs" / "operations.md")
    for field in dataclasses.fields(kind):
        assert f"`{field.name}`" in document, field.name


# -- the documented function


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("documented"))


def test_the_documented_function_is_whole_and_short() -> None:
    files = documented_files()
    assert set(files) == {
        "functions/envios/__init__.py",
        "functions/envios/function.py",
        "functions/envios/sql/envios.sql",
        "functions/envios/sql/migrations/0001_envios.sql",
        "function-configs/envios.yaml",
    }
    assert len(files["functions/envios/function.py"].splitlines()) <= FUNCTION_LINES


def test_the_documented_function_compiles(tree: Path) -> None:
    py_compile.compile(str(tree / "functions" / "envios" / "function.py"), doraise=True)


@pytest.mark.timeout(240)  # the runtime's types are read on the way, with no cache
@pytest.mark.parametrize(
    "check", [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--follow-imports=silent"]], ids=" ".join
)
def test_the_documented_function_passes_the_house_checks(tree: Path, check: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *check, "functions/envios"], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_documented_configuration_is_accepted() -> None:
    values = yaml.safe_load(documented_files()["function-configs/envios.yaml"])
    config = parse_config(FunctionConfig, values["userConfig"])
    assert config.dsn_env == "ALPES_ENVIOS_DSN"
    ours = yaml.safe_load(text_of(ROOT / "function-configs" / "pagos.yaml"))
    assert values.keys() == ours.keys()
    for key in ("runtime", "subscriptionPosition", "processingGuarantees", "autoAck", "cleanupSubscription"):
        assert values[key] == ours[key], key
