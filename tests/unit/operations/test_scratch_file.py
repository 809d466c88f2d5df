"""What a temporary file that can't grow is told as."""

import sqlite3

import pytest

from operations.reconcile.scratch import Scratch
from operations.recover.retained import Retained
from terminal.errors import CommandError


@pytest.mark.parametrize("kind", [Scratch, Retained])
def test_a_full_disk_is_told_in_a_line(kind: type[Scratch | Retained]) -> None:
    with pytest.raises(CommandError, match=r"can't hold what was read \(database or disk is full\): make room"), kind():
        raise sqlite3.OperationalError("database or disk is full")
