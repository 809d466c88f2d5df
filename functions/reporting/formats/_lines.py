"""What the formats of one line a row share."""

import io


def emptied(line: io.StringIO) -> bytes:
    """Return what was written, as UTF-8, and begin the next line."""
    text = line.getvalue()
    line.seek(0)
    line.truncate()
    return text.encode()
