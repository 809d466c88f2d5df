"""The files that docs/write-a-function.md shows: taken out of the document, so that it can be tested as it stands."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "write-a-function.md"

_BLOCK = re.compile(r"^```\w+\n(?:#|--) file: (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented_files() -> dict[str, str]:
    """Return the files of the document by their path in the checkout."""
    return dict(_BLOCK.findall(DOCUMENT.read_text(encoding="utf-8")))


def write_tree(folder: Path) -> Path:
    """Write a checkout that has the documented function, and what it needs of ours, into ``folder``."""
    for part in ("runtime", "schemas"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "functions").mkdir()
    (folder / "functions" / "__init__.py").touch()
    for name, text in documented_files().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder
