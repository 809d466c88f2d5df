"""The page's files, and its routes on an API whose Pulsar is away."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.live.page import FOLDER

Start = Callable[..., TestClient]
MOST_BYTES = 150_000
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
OWN = [path for path in FILES if path.parent == FOLDER]


def test_the_whole_page_is_small_and_has_one_library() -> None:
    assert sum(path.stat().st_size for path in FILES) < MOST_BYTES
    assert {path.name for path in FILES if path.parent != FOLDER} == {
        "uPlot.LICENSE",
        "uPlot.iife.min.js",
        "uPlot.min.css",
    }


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_foreign_text_never_becomes_markup_and_nothing_is_loaded_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text)
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    if path.suffix == ".html":
        assert not re.search(r"\son\w+=|\sstyle=|<style|<script(?![^>]*\ssrc=)|javascript:", text)


def test_every_file_that_the_page_names_is_served_under_a_strict_policy(open_api: Start) -> None:
    api = open_api()
    page = api.get("/")
    assert page.headers["content-type"].startswith("text/html")
    named = re.findall(r'(?:src|href)="(/live/static/[^"]+)"', page.text)
    imported = {f"/live/static/{name}" for path in OWN for name in re.findall(r'from "\./([^"]+)"', path.read_text())}
    for where in ["/", *named, *imported]:
        answer = api.get(where)
        assert answer.status_code == 200, where
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-cache"
        again = api.get(where, headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    etag = api.get("/").headers["etag"]
    for tags, status in ((f"W/{etag}", 304), (f'"other", {etag}', 304), ("*", 304), ('"other"', 200), (etag[:-2], 200)):
        assert api.get("/", headers={"If-None-Match": tags}).status_code == status, tags
    assert api.get("/live/static/main.js").headers["content-type"].startswith("text/javascript")


def test_the_page_needs_no_token_and_what_it_shows_does(open_api: Start, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef0123\n")
    api = open_api(token_file=tokens)
    assert api.get("/").status_code == 200
    assert api.get("/live/events").status_code == 401
    assert api.post("/live/dead-letters/crear-orden:0:1:2/replay").status_code == 401


@pytest.mark.parametrize(
    ("letter", "code", "said"),
    [
        ("crear-orden:0:1:2", 503, "No Pulsar at pulsar://127.0.0.1:1"),
        ("x", 422, "'x' is no letter's id, such as crear-orden:0:47:12"),
        ("crear-orden:0:1", 422, "is no letter's id"),
    ],
)
def test_what_cannot_be_replayed_is_a_problem_that_says_why(open_api: Start, letter: str, code: int, said: str) -> None:
    answer = open_api().post(f"/live/dead-letters/{letter}/replay")
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json")
    assert said in answer.json()["detail"]
