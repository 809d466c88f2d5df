"""Rules of the house that no linter knows."""

import ast
import re
import sys
from pathlib import Path

import pytest

from deployment import function_configs
from operations.database import dsn_variable
from schemas.tienda import topics
from tests import checkouts

ROOT = Path(__file__).parent.parent
SERVICES = tuple(function_configs.load())
STANDARD = {*sys.stdlib_module_names, "__future__"}
FUNCTION_SOURCES = sorted(
    path
    for room in ("functions", "runtime")
    for path in (ROOT / room).rglob("*.py")
    if not path.name.endswith("_pb2.py") and "build" not in path.parts
)


def text_of(path: Path) -> str:
    data = path.read_bytes()
    return "" if b"\0" in data else data.decode()


def test_no_file_carries_a_path_of_somebodys_machine() -> None:
    a_machine = re.compile(r"(?<![\w.}-])/(?:work|farm|home/\w|root|Users/\w)(?:/|\b)")
    this = Path(__file__)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in checkouts.files()
        if path != this
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if a_machine.search(line)
    ]
    assert not found, "\n".join(found)


def test_what_tests_share_is_in_no_test_module() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in (ROOT / "tests").rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s*(from|import) tests\.([\w.]+\.)?test_", line)
    ]
    assert not found, "\n".join(found)


def test_locked_requirements_name_no_index() -> None:
    found = [
        f"{path.name}: {line}"
        for path in (ROOT / "requirements").iterdir()
        for line in path.read_text().splitlines()
        if path.suffix in {".in", ".txt"}
        and re.search(r"https?://|--(?:extra-)?index-url|--find-links|--trusted-host", line)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", ["runtime", "reports", "app", "dev"])
def test_every_locked_requirement_has_a_hash(name: str) -> None:
    lock = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    pins = [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]
    assert pins
    assert [pin for pin in pins if "==" not in pin or "--hash=sha256:" not in pin] == []


def pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.\[\]-]+)==(\S+)", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))


def test_the_locks_are_one_resolution() -> None:
    dev = pins("dev").items()
    assert pins("reports").items() <= pins("app").items()
    assert pins("runtime").items() <= pins("app").items()
    assert pins("app").items() <= dev


def test_every_requirement_is_locked() -> None:
    for name in ("runtime", "reports", "app", "dev"):
        asked = re.findall(r"^([A-Za-z][\w.-]*)", (ROOT / "requirements" / f"{name}.in").read_text(), re.MULTILINE)
        locked = pins(name)
        missing = [package for package in asked if re.sub(r"[_.]", "-", package).lower() not in locked]
        assert not missing, f"{name}.in asks for {missing}: run requirements/lock.sh"


def docstrings(tree: ast.Module) -> set[int]:
    """Return the ids of the nodes that are docstrings, which may speak of SQL."""
    return {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }


@pytest.mark.parametrize("path", FUNCTION_SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sql_lives_in_sql_files(path: Path) -> None:
    statement = re.compile(
        r"^\s*(?:SELECT\s+(?!1\s*$)\S|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s|WITH\s+\w+\s+AS\s)",
        re.IGNORECASE,
    )
    tree = ast.parse(path.read_text())
    documentation = docstrings(tree)
    found = [
        f"line {node.lineno}: {node.value.strip()[:60]}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation
        if statement.search(node.value)
    ]
    assert not found, "\n".join(found)


def test_what_is_private_to_the_runtime_is_imported_by_the_runtime_and_tests_alone() -> None:
    private = re.compile(r"^\s*(?:from|import) alpes_runtime(?:\.\w+)*(?:\._\w+| import _\w+)", re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in checkouts.files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] not in {"runtime", "tests"}
        for line in private.findall(text_of(path))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("service", SERVICES)
def test_a_domain_imports_the_standard_library_and_what_an_order_is(service: str) -> None:
    path = ROOT / "functions" / service / "domain.py"
    if not path.exists():
        pytest.skip(f"{service} has no domain of its own")
    assert imports_of(path) <= {*STANDARD, "schemas.tienda.orden"}


def test_what_an_order_is_imports_the_standard_library_alone() -> None:
    assert imports_of(ROOT / "schemas" / "tienda" / "orden.py") <= STANDARD


def test_one_module_knows_where_currencies_come_from() -> None:
    users = [
        path
        for path in (*FUNCTION_SOURCES, *ROOT.glob("schemas/**/*.py"), *ROOT.glob("operations/**/*.py"))
        if "iso4217" in imports_of(path)
    ]
    assert [str(path.relative_to(ROOT)) for path in users] == ["schemas/tienda/money.py"]


def imports_of(path: Path) -> set[str]:
    """Name the modules that a file imports: those of the standard library by their package, a relative one as a dot."""
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add("." if node.level else str(node.module))
    return {package if (package := name.split(".")[0]) in STANDARD else name for name in imported}


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md"))
    if not numbers:
        pytest.skip("no decision is written down yet")
    assert numbers == [f"{n:04d}" for n in range(int(numbers[0]), int(numbers[0]) + len(numbers))]
    assert int(numbers[0]) <= 1


def test_every_migration_has_a_number_of_its_own() -> None:
    for service in SERVICES:
        names = [path.name for path in (ROOT / "functions" / service / "sql" / "migrations").glob("*.sql")]
        numbers = [name[:4] for name in names]
        assert all(re.fullmatch(r"\d{4}_[a-z0-9_]+\.sql", name) for name in names), names
        assert len(numbers) == len(set(numbers)), names


def test_a_function_config_names_a_variable_and_no_secret() -> None:
    assert set(topics.SERVICES) <= set(SERVICES)
    for name, config in function_configs.load().items():
        assert config.dsn_variable == dsn_variable(name)
        assert "postgresql://" not in config.path.read_text(), name
