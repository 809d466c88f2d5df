"""Makes foreign texts harmless for people's eyes and terminals. Pure."""

import unicodedata

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories of Unicode that show nothing or steer what shows, such as control, zero-width and right-to-left."""


def harmless(text: str) -> str:
    r"""Return a text on one line, with each character that would be hidden or steer the display written as its number.

    Examples
    --------
    >>> harmless("a\u202eb\x1b[2J")
    'a\\u202eb\\x1b[2J'
    """
    return "".join(_shown(c) if unicodedata.category(c) in _HIDDEN else c for c in text)


def _shown(character: str) -> str:
    return character.encode("unicode_escape").decode()
