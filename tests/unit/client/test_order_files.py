"""Files of orders: both forms, every way in which a line can be wrong, and how little memory they need."""

import io
import json
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client import order_files
from client.errors import OrderFileError
from schemas.tienda.v1.ordenes_pb2 import CrearOrden

GOOD = '{"id": "a", "client_id": 7, "address": "Calle 7", "total_cents": 1250, "currency": "COP"}'


def read(text: str | bytes) -> list[order_files.Line]:
    return list(order_files.lines(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def orders(text: str | bytes) -> list[CrearOrden]:
    found = read(text)
    assert not [line.told() for line in found if line.problem]
    return [line.order for line in found if line.order]


def test_a_csv_file_and_an_ndjson_file_with_the_same_orders_are_the_same() -> None:
    table = (
        "\ufeffid, client_id,address,total_cents,currency,created_at_ms,direccion.calle,direccion.pais\r\n"
        'a,7,"Calle 7, ""2""\nBogotá",1250,COP,1700000000000,,\r\n'
        "\r\n"
        "b,,,0,,,Calle 8,CO\r\n"
    )
    lines = [
        {"id": "a", "client_id": 7, "address": 'Calle 7, "2"\nBogotá', "total_cents": 1250, "currency": "COP"},
        {"id": "b", "total_cents": 0, "direccion": {"calle": "Calle 8", "pais": "CO"}},
    ]
    lines[0]["created_at_ms"] = 1_700_000_000_000
    found = orders(table)
    assert found == orders("\n\n".join(map(json.dumps, lines)))
    assert [order.HasField("total_cents") for order in found] == [True, True]
    assert found[0].created_at_ms == 1_700_000_000_000


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": "a b", "address": "x"}', "id is 'a b', must be 1 to 128 characters"),
        ('{"address": "x"}', "id is ''"),
        ('{"id": "b"}', "address must have 1 to 1000 characters"),
        ('{"id": "b", "address": "x", "total_cents": -1}', "total_cents is -1, must be 0 or more"),
        ('{"id": "b", "address": "x", "total_cents": 1.5}', "total_cents must be a whole number, not '1.5'"),
        ('{"id": "b", "address": "x", "total_cents": true}', "total_cents must be a whole number, not 'True'"),
        ('{"id": "b", "address": "x", "client_id": 2147483648}', "client_id must be a whole number"),
        ('{"id": "b", "address": "x", "client_id": "7_0"}', "client_id must be a whole number, not '7_0'"),
        ('{"id": "b", "address": "x", "currency": "XTS"}', "currency is 'XTS'"),
        ('{"id": "b", "address": "x", "created_at_ms": 1700000000}', "looks like seconds"),
        ('{"id": "b", "address": "x", "created_at": 1}', "it has 'created_at', which is none of id, client_id"),
        ('{"id": "b", "address": 7}', "address must be a text, not 7"),
        ('{"id": "b", "address": "\\ud800"}', "a text of it is not Unicode"),
        ('{"id": "b", "direccion": "x"}', "direccion must be an object"),
        ('{"id": "b", "direccion": {"street": "x"}}', "it has 'direccion.street', which is none of calle"),
        ('{"id": "b", "direccion": {"calle": "x", "pais": "co"}}', "direccion.pais must be two capital letters"),
        ('["a"]', "it is no JSON object"),
        ('{"id": "b"', "it is no JSON: "),
        ("{" * 100_000, "it is no JSON: "),
        (GOOD, "its id is that of line 1"),
    ],
)
def test_a_bad_line_is_named_by_number_and_text_with_its_reason(line: str, why: str) -> None:
    other = GOOD.replace('"a"', '"c"')
    first, second, third = read(f"{GOOD}\n{line}\n{other}\n")
    assert first.order
    assert third.order
    assert (second.order, second.number) == (None, 2)
    assert second.text.startswith(line[:40].strip())
    assert len(second.text) <= 61
    assert why in second.told()


def test_bytes_that_are_not_utf_8_make_their_line_bad_alone() -> None:
    found = read(b'id,address\na,x\nb,\xff\xfe\nc,"y\x00"\nd,z\n')
    assert [line.order.id if line.order else line.problem.split(":")[0] for line in found] == [
        "a",
        "it is not UTF-8",
        "address must have 1 to 1000 characters, none of them NUL",
        "d",
    ]


def test_a_row_with_too_few_or_too_many_values_is_bad() -> None:
    found = read("id,address\na\nb,x,y\nc,z\n")
    assert [line.problem for line in found] == [
        "it has 1 values, and line 1 has 2 names",
        "it has 3 values, and line 1 has 2 names",
        "",
    ]


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ("id,adress", "names 'adress', which no order has"),
        ("id,clientId,x", "names 'clientId', 'x', which no order has"),
        ("address", "doesn't name the field id"),
        ("id,id", "has a name twice"),
        ("", "doesn't name the field id"),
        ("id,created_at", "names 'created_at', which no order has"),
    ],
)
def test_a_csv_file_whose_first_line_is_wrong_is_refused_with_the_names_that_there_are(names: str, why: str) -> None:
    with pytest.raises(OrderFileError, match=r"direccion\.calle") as refused:
        read(f"{names}\na,b\n")
    assert why in str(refused.value)


@given(st.binary(max_size=200), st.sampled_from([b"", b"{", b"id,address\n"]))
def test_no_bytes_end_the_reading(rest: bytes, start: bytes) -> None:
    told = []
    try:
        for line in read(start + rest):
            assert line.order or line.problem
            told.append(line.told())
    except OrderFileError as error:
        told.append(str(error))
    assert not any("\n" in each for each in told)


class Endless(io.RawIOBase):
    """A file that makes its lines when they are read."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.seek(0)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._lines: Iterator[bytes] = (
            f'{{"id": "{n}", "address": "{"x" * 900}"}}\n'.encode() for n in range(self._count)
        )
        self._rest = b""
        return offset

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        if not self._rest:
            self._rest = next(self._lines, b"")
        taken, self._rest = self._rest[: len(buffer)], self._rest[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


@pytest.mark.parametrize("start", ['{"id": "', "id,address\n"], ids=["ndjson", "csv"])
def test_a_line_that_is_too_long_is_bad_alone_and_is_not_held(start: str) -> None:
    head = f'{GOOD}\n{{"id": "' if start.startswith("{") else "id,address\na,x\nb,"
    tail = '{"id": "c", "address": "x"}' if start.startswith("{") else "c,x"
    text = head + "x" * 3_000_000 + "\n" + tail + "\n"
    file = io.BytesIO(text.encode())
    tracemalloc.start()
    first, second, third = order_files.lines(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert first.order
    assert third.order
    assert second.problem == "it is longer than 131,072 bytes"
    assert peak < 1_500_000


def test_a_file_with_too_many_orders_is_read_no_further() -> None:
    file = io.BufferedReader(Endless(5_000))
    assert order_files.survey(file, 10).orders == 11


def test_standard_input_that_never_ends_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = io.TextIOWrapper(io.BufferedReader(Endless(10**9)))
    monkeypatch.setattr("sys.stdin", endless)
    with pytest.raises(OrderFileError, match="is over 100 lines"), order_files.opened("-", 100):
        pass


def test_standard_input_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(OrderFileError, match="is closed"), order_files.opened("-", 100):
        pytest.fail("it was read")


def test_a_pipe_is_read_twice_like_a_file(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert order_files.is_read_once(str(pipe))
    writer = threading.Thread(target=pipe.write_text, args=(f"{GOOD}\n",))
    writer.start()
    with order_files.opened(str(pipe), 100) as file:
        assert order_files.survey(file, 100).orders == 1
        assert [order.id for order in order_files.orders(file)] == ["a"]
    writer.join()


def test_a_file_is_never_held_as_a_whole() -> None:
    count = 5_000
    tracemalloc.start()
    survey = order_files.survey(io.BufferedReader(Endless(count)), count)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert survey.orders == count
    assert peak < 2_000_000  # the file has 4.7 MB


QUOTES = [
    ('b,"Calle 8', "a quoted text begins in it and has no proper end"),
    ('b,"Calle 8"x', "',' expected after '\"'"),
]


@pytest.mark.parametrize(("line", "why"), QUOTES)
@pytest.mark.parametrize("quoted", [False, True])
def test_a_quote_that_never_closes_makes_its_line_bad_alone(line: str, why: str, *, quoted: bool) -> None:
    rows = [f'c{n},"Calle {n}"' if quoted else f"c{n},Calle {n}" for n in range(50)]
    first, bad, *rest = read("\n".join(["id,address", "a,Calle 7", line, *rows]))
    assert first.order
    assert (bad.number, bad.text, bad.order) == (3, line, None)
    assert why in bad.problem
    assert [each.order.id for each in rest if each.order] == [f"c{n}" for n in range(50)]
    assert [each.number for each in rest] == list(range(4, 54))


def test_a_bad_row_of_several_lines_says_how_far_it_goes() -> None:
    bad, good = read('id,address,currency\na,"Calle 7\n\nBogotá",usd\nb,Calle 8,USD\n')
    assert bad.number == 2
    assert bad.problem.endswith("; it goes on to line 4")
    assert (good.number, good.problem) == (5, "")


def test_after_a_bad_text_of_several_lines_each_of_them_counts() -> None:
    found = read('id,address\na,"Calle 7\nBogotá"x\nb,"Calle 8\n\nBogotá"\nc,"open\n\n"')
    assert [(line.number, line.order.id if line.order else line.problem[:13]) for line in found] == [
        (2, "it is no CSV:"),
        (3, "it has 1 valu"),
        (4, "b"),
        (7, "c"),
    ]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The file is empty"),
        ("\ufeff", "The file is empty"),
        (f"[{GOOD}]", "The file is a JSON array: write NDJSON"),
        ("\n\n     [\n", "The file is a JSON array: write NDJSON"),
    ],
)
def test_a_file_that_is_none_of_both_forms_is_refused_with_what_is_meant(text: str, why: str) -> None:
    with pytest.raises(OrderFileError, match=why):
        read(text)
