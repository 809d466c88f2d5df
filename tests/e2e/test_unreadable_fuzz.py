"""Mutated entries of every form stop no function: `python -m tests.fuzz` in its small form."""

import os
import random

import pytest

from tests.e2e.tienda import INPUTS, Tienda, note
from tests.fuzz.run import fuzz

pytestmark = pytest.mark.core

ENTRIES = 200
SEED = os.environ.get("ALPES_SEED") or str(random.SystemRandom().randrange(1_000_000))


def test_no_mutated_entry_stops_a_function(stack: Tienda) -> None:
    print(f"ALPES_SEED={SEED}")
    note(f"fuzz, ALPES_SEED={SEED}: {fuzz(stack, list(INPUTS), ENTRIES, SEED)}")
