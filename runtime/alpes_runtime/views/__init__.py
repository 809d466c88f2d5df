"""Views: values that a thread per view keeps up to date in the state store, behind the tables."""

from ._totals import Totals
from ._view import View
from ._write_behind import Mark, Marks, Versioned, WriteBehind

__all__ = ["Mark", "Marks", "Totals", "Versioned", "View", "WriteBehind"]
