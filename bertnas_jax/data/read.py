"""Rows of delimited files, checked before anything else sees them."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path

from absl import logging


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows of text under named columns. `lines[i]` is the line of `source` where row i ends.

    Raises:
      ValueError: a column's name is repeated.
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lines: tuple[int, ...]

    def __post_init__(self):
        if len(set(self.columns)) < len(self.columns):
            raise ValueError(f"{self.source} must name each column once, got {self.columns}; rename the repeated one")

    def column(self, name: str) -> tuple[str, ...]:
        """The cells of a column.

        Raises:
          ValueError: there is none of this name.
        """
        if name not in self.columns:
            raise ValueError(f"{self.source} must have the column {name!r}, got {self.columns}; name one of these")
        position = self.columns.index(name)
        return tuple(row[position] for row in self.rows)


def read_tsv(path: Path, columns: tuple[str, ...] = (), drop_short: bool = False) -> Table:
    """The rows of a TAB-separated file in which a quote is a character like any other (GLUE's way).

    The first line names the columns unless they are given. `drop_short` leaves out, and logs,
    rows with too few cells, as GLUE's own readers do for QQP.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not UTF-8, empty, or has a row of the wrong width.
    """
    # Not splitlines(): it would also split at U+0085 and U+2028, which occur inside sentences.
    lines = [line.removesuffix("\r") for line in read_utf8(path).split("\n")]
    numbered = [(number, tuple(line.split("\t")) if line else ()) for number, line in enumerate(lines, 1)]
    return _table(path, numbered, columns, drop_short)


def read_csv(path: Path) -> Table:
    """The rows of a comma-separated file with a header, quoted as in RFC 4180.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not UTF-8, empty, badly quoted, or has a row of the wrong width.
    """
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), strict=True)
    numbered = []
    try:
        for row in reader:
            numbered.append((reader.line_num, tuple(row)))
    except csv.Error as error:
        raise ValueError(
            f"{path}:{reader.line_num} must be quoted as in RFC 4180, got {error}; "
            "double the quotes inside a cell"
        ) from error
    return _table(path, numbered, (), drop_short=False)


def read_utf8(path: Path) -> str:
    """The text of a file, without a byte order mark.

    Raises:
      FileNotFoundError: there is no such file.
      ValueError: the file is not UTF-8.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} must be a file, got none there; check the task's path")
    raw = path.read_bytes()
    try:
        return raw.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be UTF-8, got byte 0x{raw[error.start]:02x} at offset {error.start}; "
            "convert it, e.g. with iconv -t UTF-8"
        ) from error


def _table(
    path: Path, numbered: list[tuple[int, tuple[str, ...]]], columns: tuple[str, ...], drop_short: bool
) -> Table:
    while numbered and not numbered[-1][1]:
        numbered.pop()
    if not columns:
        if not numbered:
            raise ValueError(
                f"{path} must have a line of column names, got an empty file; "
                "write the names on the first line"
            )
        columns = numbered.pop(0)[1]
    kept = [(number, row) for number, row in numbered if not (drop_short and len(row) < len(columns))]
    if len(kept) < len(numbered):
        logging.warning("%s: left out %d rows with fewer than %d cells", path, len(numbered) - len(kept), len(columns))
    for number, row in kept:
        if len(row) != len(columns):
            raise ValueError(
                f"{path}:{number} must have {len(columns)} cells, got {len(row)}; "
                "mend the separators of that line"
            )
    return Table(str(path), columns, tuple(row for _, row in kept), tuple(number for number, _ in kept))
