"""How a packed GEMM may be cut up: panels of weights, register blocks of rows, and tasks for threads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from bertnas_jax.compiler.blocks import largest_divisor
from bertnas_jax.compiler.integer_dot import integer_dots
from bertnas_jax.compiler.precision import PRECISIONS, Precision
from bertnas_jax.compiler.vector_unit import vector_unit

_MIN_ACCUMULATORS = 8  # hide the latency of FMA: 4 cycles, 2 a cycle
_TASKS = (1, 2)  # of a panel; more would read a panel from more caches than there are halves to even out


@dataclasses.dataclass(frozen=True, order=True)
class GemmShape:
    """x [.., rows, inner] times weights [inner, columns], in numbers of `precision`; `rows` are those of one sentence."""

    rows: int
    inner: int
    columns: int
    precision: Precision = "float32"

    def describe(self) -> str:
        return f"{self.rows}x{self.inner}x{self.columns}" + (f" {self.precision}" if self.precision != "float32" else "")

    @classmethod
    def parse(cls, text: str) -> GemmShape:
        """The shape that `describe` names.

        Raises:
          ValueError: the text names none.
        """
        product, _, precision = text.partition(" ")
        sizes = product.split("x")
        is_known = precision in ("", *PRECISIONS[1:])
        if len(sizes) != 3 or not all(size.isdigit() and int(size) > 0 for size in sizes) or not is_known:
            raise ValueError(f"a product must be ROWSxINNERxCOLUMNS, with its precision if that is not float32, got {text!r}; for example 128x384x1536 int8_fast")
        return cls(*map(int, sizes), precision or "float32")


@dataclasses.dataclass(frozen=True, order=True)
class GemmTile:
    """Weights lie in panels of `panel` columns; a panel's rows go by in register blocks of `rows`, in `tasks` equal parts.

    Threads share out the tasks: two a panel even out an odd number of panels between two threads.
    """

    panel: int
    rows: int
    tasks: int = 1

    def fits(self, shape: GemmShape) -> bool:
        """True if the register blocks fill the rows, and the tasks the register blocks."""
        return shape.rows % self.rows == 0 and shape.rows // self.rows % self.tasks == 0

    def columns(self, shape: GemmShape) -> int:
        """The columns that are computed: whole panels."""
        return -(-shape.columns // self.panel) * self.panel

    def attributes(self) -> Mapping[str, int]:
        """As attributes of the block of a product, for its schedule to follow."""
        return {_ROWS: self.rows, _TASKS_OF: self.tasks}


_ROWS, _TASKS_OF = "bertnas.tile_rows", "bertnas.tile_tasks"


def tile_of_block(annotations: Mapping, panel: int, rows: int, most_rows: int | None = None) -> GemmTile:
    """The tile of a product's block: as its attributes say, or the vector unit's first for so many rows."""
    if _ROWS in annotations:
        return GemmTile(panel, int(annotations[_ROWS]), int(annotations[_TASKS_OF]))
    return _untuned(panel, rows, most_rows)


def default_tile(shape: GemmShape) -> GemmTile:
    """The tile of a product that was never tuned, for the target around the call.

    That of the vector unit, or one of two registers' columns and as many accumulators, if it leaves fewer columns over.
    """
    unit = vector_unit()
    wide, narrow = (_untuned(panel, shape.rows, _most_rows(shape.precision)) for panel in (unit.panel, 2 * unit.lanes))
    fills = narrow.rows * narrow.panel >= wide.rows * wide.panel
    return narrow if fills and narrow.columns(shape) < wide.columns(shape) else wide


def _untuned(panel: int, rows: int, most_rows: int | None) -> GemmTile:
    unit = vector_unit()
    blocks = unit.rows if panel == unit.panel else unit.narrow_rows
    return GemmTile(panel, largest_divisor(rows, tuple(block for block in blocks if most_rows is None or block <= most_rows)))


def _most_rows(precision: Precision) -> int | None:
    """What the instruction of integer products allows; None for floats."""
    return integer_dots()[precision].most_rows if precision.startswith("int8") else None


def tile_choices(shape: GemmShape, threads: int) -> list[GemmTile]:
    """What tuning measures, the default first: register blocks of at least 8 accumulators that leave registers for operands.

    Tasks of half a panel are for several threads, and only where the panels are not shared out evenly without.
    """
    unit, most_rows = vector_unit(), _most_rows(shape.precision)
    choices = [default_tile(shape)]
    for panel in unit.panels:
        wide = panel // unit.lanes
        blocks = [rows for rows in sorted({*unit.rows, *unit.narrow_rows}) if _MIN_ACCUMULATORS <= rows * wide <= unit.registers - wide - 1]
        blocks = [rows for rows in blocks if most_rows is None or rows <= most_rows]
        uneven = threads > 1 and -(-shape.columns // panel) % threads
        choices += [GemmTile(panel, rows, tasks) for rows in blocks for tasks in (_TASKS if uneven else _TASKS[:1])]
    return [tile for tile in dict.fromkeys(choices) if tile.fits(shape)]
