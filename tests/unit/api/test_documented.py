"""What `docs/http-api.md` and OpenAPI say of the API's problems is what its code answers."""

import ast
import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from api.app import create_app
from api.settings import Settings
from schemas.tienda.rules import LAST_SECONDS, sent_time_problem
from tests.documented import ROOT

FRAMEWORK = {(404, "not-found"), (405, "method-not-allowed"), (500, "unexpected")}
"""Problems that `api.problems` makes of the framework's errors."""
OPEN = {"/health", "/health/live", "/health/ready"}


def problems(file: Path) -> Iterator[tuple[int, str]]:
    """Yield status and kind of each problem that a file makes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
            status, kind = node.args[:2]
            assert isinstance(status, ast.Attribute), ast.unparse(node)
            kinds = (kind.body, kind.orelse) if isinstance(kind, ast.IfExp) else (kind,)
            for each in kinds:
                assert isinstance(each, ast.Constant), ast.unparse(node)
                yield HTTPStatus[status.attr].value, str(each.value)


def test_the_table_of_errors_has_every_problem_and_no_other() -> None:
    made = FRAMEWORK.union(*map(problems, (ROOT / "api").rglob("*.py")))
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\d, ]+) \| ((?:`[a-z-]+`(?:, )?)+) \|", text, re.MULTILINE)
    shown = set()
    for codes, kinds in rows:
        each = [int(code) for code in codes.split(", ")]
        names = re.findall("`([a-z-]+)`", kinds)
        shown |= set(zip(each, names, strict=True)) if len(each) > 1 else {(each[0], name) for name in names}
    assert shown == made


@pytest.fixture(scope="module")
def operations() -> dict[tuple[str, str], dict[str, Any]]:
    """Return what OpenAPI says of each request, by method and path."""
    api = create_app(Settings(service_url="", admin_url=""))
    return {
        (method.upper(), path): operation
        for path, item in api.openapi()["paths"].items()
        for method, operation in item.items()
    }


def test_openapi_has_the_problems_that_any_request_may_get(operations: dict[tuple[str, str], dict[str, Any]]) -> None:
    for (_, path), operation in operations.items():
        wanted = {"421", "429", "503"} | (set() if path in OPEN else {"401", "403"})
        wanted |= {"400", "408", "413", "422"} if "requestBody" in operation else set()
        assert wanted <= set(operation["responses"]), path


def test_openapi_allows_what_the_api_takes(operations: dict[tuple[str, str], dict[str, Any]]) -> None:
    post = operations["POST", "/orders"]
    (key,) = [each for each in post["parameters"] if each["name"] == "Idempotency-Key"]
    assert re.fullmatch(key["schema"]["pattern"], "k")
    made_at = post["requestBody"]["content"]["application/json"]["schema"]["properties"]["created_at_ms"]
    assert made_at["minimum"] == LAST_SECONDS + 1
    assert sent_time_problem("created_at_ms", LAST_SECONDS)
    assert not sent_time_problem("created_at_ms", LAST_SECONDS + 1)
