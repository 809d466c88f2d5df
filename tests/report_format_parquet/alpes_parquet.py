"""The report format `parquet`: typed columns, in groups of 50,000 rows, which programs read without the rest."""

import io
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
from pyarrow import parquet

CONTENT_TYPE = "application/vnd.apache.parquet"
GROUP_ROWS = 50_000
TYPES = {"integer": pa.int64(), "big": pa.decimal128(38, 0), "number": pa.float64()}


def render(report: Any) -> Iterator[bytes]:
    """Yield the file, a group of rows at a time."""
    columns = report.table.columns
    schema = pa.schema([(column.name, TYPES.get(column.type, pa.string())) for column in columns])
    sink = Sink()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        while rows := list(islice(report.table.rows, GROUP_ROWS)):
            values = zip(*rows, strict=True)
            arrays = [pa.array(each, field.type) for each, field in zip(values, schema, strict=True)]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            yield from sink.taken()
    yield from sink.taken()


class Sink(io.RawIOBase):
    """A file that gives away what was written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return how much was written."""
        return self._size

    def write(self, data: Any) -> int:
        """Keep it until it is taken."""
        self._pieces.append(bytes(data))
        self._size += len(self._pieces[-1])
        return len(self._pieces[-1])

    def taken(self) -> list[bytes]:
        """Return what was written since the last time."""
        taken, self._pieces = self._pieces, []
        return taken
