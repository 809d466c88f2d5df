"""What is written, read back and shown."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from bench import results, summary
from bench.errors import BenchError, UsageError
from bench.hops import END_TO_END
from bench.results import Result, Run
from tests.unit.bench.made import a_result, a_run

EMPTY = Run("nothing", 1, 1, None, 1.0, 1.0)


def test_a_result_comes_back_from_its_json(tmp_path: Path) -> None:
    before = a_result(a_run("a 1"), a_run("b 1", 4_000.0))
    results.write(before, tmp_path / "new" / "result.json")
    written = json.loads((tmp_path / "new" / "result.json").read_text(encoding="utf-8"))
    assert written == before.as_json()
    assert written["runs"][0]["latencies"][END_TO_END]["p99"] == before.runs[0].latencies[END_TO_END].at(99)
    assert results.read(tmp_path / "new" / "result.json") == dataclasses.replace(before, runs=())
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result.json"]


def test_the_json_is_strict(tmp_path: Path) -> None:
    results.write(a_result(), tmp_path / "result.json")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads((tmp_path / "result.json").read_text(encoding="utf-8"), parse_constant=refuse)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"form": 0}', '{"form": 1, "runs": [{}]}', '{"form": 1}'])
def test_what_is_no_result_is_refused_in_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="is not a result of python -m bench"):
        results.read(path)


def test_a_missing_file_is_a_line_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a JSON file"):
        results.read(tmp_path / "nothing.json")


def test_a_folder_that_cannot_be_made_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BenchError, match="--output") as refused:
        results.write(a_result(), tmp_path / "file" / "result.json")
    assert refused.value.exit_code == 1, "it was measured"


def test_what_was_not_measured_leaves_no_trace_but_the_words() -> None:
    bare = Result("latency", {}, "now", {}, [EMPTY], {}, {}, ["CPU: why"])
    text = summary.text(bare)
    assert "CPU: why" in text
    assert "µs per order" not in text


def test_the_summary_shows_runs_cpu_and_ratios() -> None:
    text = summary.text(a_result())
    assert "5,000" in text
    assert re.search(r"a 1 +150 +200 +350", text), text
    assert re.search(r"a/b +0.95 +± 2 % +0.94, 0.95, 0.98", text), text
    assert "full, all × 1" in text
