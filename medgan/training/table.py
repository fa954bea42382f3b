"""A table of a run on disk, in CSV: a row for each epoch, none twice, whatever the interruption."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medgan.files import append_line, write_text


class Table:
    """Rows by column, each with its `step`.

    Args:
        file: where it lies, or will.
    """

    def __init__(self, file: Path) -> None:
        self.file = file

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; a value that this stage does not have stays empty, a new one gets a column."""
        header, rows = self._read()
        if header and set(row) <= set(header):
            append_line(self.file, ",".join(str(row.get(name, "")) for name in header))
            return
        header += [name for name in row if name not in header]
        self._write(header, [*rows, row])

    def drop_after(self, step: int) -> None:
        """Take out the rows of steps that a resumed training repeats."""
        if self.file.exists():
            header, rows = self._read()
            self._write(header, [row for row in rows if int(row["step"]) <= step])

    def numbers(self) -> list[dict[str, float]]:
        """All rows, without what is empty."""
        _, rows = self._read()
        return [{name: float(value) for name, value in row.items() if value} for row in rows]

    def _read(self) -> tuple[list[str], list[dict[str, str]]]:
        if not self.file.exists():
            return [], []
        text = self.file.read_text(encoding="utf-8")
        reader = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]))  # a line that is cut is none
        rows = [row for row in reader if None not in row.values()]
        return list(reader.fieldnames or []), rows

    def _write(self, header: list[str], rows: list[Any]) -> None:
        lines = [header, *([str(row.get(name, "")) for name in header] for row in rows)]
        write_text(self.file, "".join(",".join(line) + "\n" for line in lines))
