"""What follows behind in the state store: each view is stepped by a thread of its own."""

from ._totals import Totals
from ._view import View
from ._write_behind import Mark, Marks, Versioned, WriteBehind

__all__ = ["Mark", "Marks", "Totals", "Versioned", "View", "WriteBehind"]
