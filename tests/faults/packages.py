"""A function's package with other code in it."""

import zipfile
from pathlib import Path

LOGGED = '"Instance %s of %s runs, intake %s"'
CODE = "alpes_runtime/runner.py"


def changed(good: Path, folder: Path, mark: str) -> Path:
    """Copy a function's zip, with ``mark`` in the line that an instance logs when it runs."""
    made = folder / good.name
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(made, "w") as target:
        for entry in source.infolist():
            content = source.read(entry)
            if entry.filename.endswith(CODE):
                text = content.decode()
                assert LOGGED in text
                content = text.replace(LOGGED, LOGGED[:-1] + f', {mark}"').encode()
            target.writestr(entry, content)
    return made
