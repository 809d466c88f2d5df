"""The kit for testing a function does what an instance does."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from alpes_runtime import (
    Ask,
    BatchFunction,
    Done,
    Event,
    ExternalCall,
    Handler,
    InstanceContext,
    Outcome,
    Service,
    Transaction,
    testing,
)
from alpes_runtime.config import FunctionConfig
from tests.documented import README, ROOT, documented_files, run_the_readmes_test
from tests.unit.runtime.parts import OUT, TOPIC

README_LINES = 90


def test_the_runtimes_readme_is_short_and_its_function_passes_its_test(tmp_path: Path) -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= README_LINES
    assert set(documented_files(README)) == {"signups.py", "test_signups.py"}
    run_the_readmes_test(sys.executable, tmp_path, str(ROOT / "runtime"))


class Asks(BatchFunction):
    """Asks a question for each message, and publishes the answer."""

    def build(self, config: FunctionConfig, context: InstanceContext) -> Service:
        def ask(_transaction: Transaction, batch: Sequence[str]) -> Sequence[Outcome]:
            return [Ask(text) for text in batch]

        def tell(_transaction: Transaction, batch: Sequence[tuple[str, Any]]) -> Sequence[Outcome]:
            return [Done((Event(OUT, text, answer),)) for text, answer in batch]

        call = ExternalCall(lambda text: text.upper().encode(), tell, at_once=1)
        handler = Handler(lambda message: message.data.decode(), ask, external_call=call)
        return Service({"crear-orden": handler}, testing.FakeDatabase({}), {})


def test_external_calls_are_made() -> None:
    assert testing.process(Asks, [testing.received(TOPIC, b"a"), testing.received(TOPIC, b"b")]) == [
        Event(OUT, "a", b"A"),
        Event(OUT, "b", b"B"),
    ]


def test_a_function_whose_code_fails_at_everything_fails_the_test() -> None:
    class Broken(BatchFunction):
        def build(self, config: FunctionConfig, context: InstanceContext) -> Service:
            handler = Handler(lambda message: message.data, lambda _transaction, _batch: [])
            return Service({"crear-orden": handler}, testing.FakeDatabase({}), {})

    with pytest.raises(AssertionError, match="halt the input crear-orden"):
        testing.process(Broken, [testing.received(TOPIC, b"a")] * 30)
