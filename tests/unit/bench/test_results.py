"""What is written is read back, and a page needs nothing but itself."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bench import report, results, summary, svg
from bench.errors import BenchError, UsageError
from bench.hops import END_TO_END
from bench.results import Result, Run
from tests.unit.bench.made import a_result, a_run

EMPTY = Run("nothing", 1, 1, None, 1.0, 1.0)


def test_a_result_comes_back_from_its_json(tmp_path: Path) -> None:
    before = a_result(a_run("a 1"), a_run("b 1", 4_000.0))
    results.write(before, tmp_path / "new" / "result.json")
    after = results.read(tmp_path / "new" / "result.json")
    assert after.as_json() == before.as_json()
    assert after.runs[0].latencies[END_TO_END].at(99) == before.runs[0].latencies[END_TO_END].at(99)
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
    with pytest.raises(UsageError, match="is no result of python -m bench"):
        results.read(path)


def test_a_missing_file_is_a_line_that_says_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Name a JSON file"):
        results.read(tmp_path / "nothing.json")


def test_a_folder_that_cannot_be_made_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(BenchError, match="--output") as refused:
        results.write(a_result(), tmp_path / "file" / "result.json")
    assert refused.value.exit_code == 1, "it was measured"


class Links(HTMLParser):
    """Collects whatever a browser would fetch, and sees that what is opened is closed."""

    VOID = frozenset({"meta", "line", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe", "object", "use", "image"}:
            self.fetched.append(tag)
        self.fetched += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "xlink:href", "data"}]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


@pytest.mark.parametrize("command", ["throughput", "latency", "scaling", "soak", "compare", "skew"])
def test_a_page_is_self_contained(command: str) -> None:
    page = report.page(a_result(a_run("a 1"), a_run("b 1"), command=command))
    links = Links()
    links.feed(page)
    assert (links.fetched, links.open) == ([], [])
    assert not re.search(r"https?://|//cdn|@import|url\(", page)


def test_a_page_has_the_plots() -> None:
    page = report.page(a_result(command="scaling"))
    for title in ("each second", "end to end", "Scaling", "CPU per order by process", "Memory", "Size of tables"):
        assert re.search(rf"<h2>[^<]*{title}[^<]*</h2>\s*(<p>[^<]*</p>)?<svg", page), title


def test_a_page_escapes_what_it_shows() -> None:
    page = report.page(a_result(a_run("<script>alert(1)</script>")))
    assert "<script" not in page
    assert "&lt;not&gt; measured" in page


def test_what_was_not_measured_leaves_no_trace_but_the_words() -> None:
    bare = Result("latency", {}, "now", {}, [EMPTY], {}, {}, ["CPU: why"])
    page, text = report.page(bare), summary.text(bare)
    assert "<svg" not in page
    assert "CPU: why" in page
    assert "CPU: why" in text
    assert "µs per order" not in text


def test_the_command_of_a_page_can_be_run_again() -> None:
    assert report.command_line(a_result()) == "python -m bench compare --quick --rounds 3 --rates 1,2"


def test_the_summary_shows_runs_cpu_and_ratios() -> None:
    text = summary.text(a_result())
    assert "5,000" in text
    assert re.search(r"a 1 +150 +200 +350", text), text
    assert re.search(r"a/b +0.95 +± 2 % +0.94, 0.95, 0.98", text), text
    assert "full, all × 1" in text


def test_ticks_are_round_and_within() -> None:
    assert svg.ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert svg.ticks(0, 0.7) == pytest.approx([0, 0.2, 0.4, 0.6])
    assert svg.ticks(3, 3) == [3]


def test_a_long_line_is_thinned_to_its_ends() -> None:
    points = [(float(n), 1.0) for n in range(10_000)]
    thin = svg.thinned(points)
    assert len(thin) == svg.MOST_POINTS
    assert (thin[0], thin[-1]) == (points[0], points[-1])


def test_nothing_to_draw_is_no_plot() -> None:
    assert svg.lines({"a": []}, "x", "y") == ""
    assert svg.bars({"a": {}}, "y") == ""
    assert "<svg" in svg.lines({"flat": [(1.0, 0.0)]}, "x", "y")
