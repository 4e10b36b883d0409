"""The matrix products in a kernel's loop nest, found by what their access maps reduce, and the loops they are scheduled in.

A product is a sum over elements of two arguments. An axis that both need is its batch, one that only the left argument
needs its rows, only the right one its columns; the axes summed over are its inner ones, and those of them that the right
argument does not need are passes over it (the digits of an activation). No operator is known by name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import islpy as isl
from tvm import tirx
from tvm.s_tir import SBlockRealize

from bertnas_jax.compiler.emitter import dtype_of
from bertnas_jax.compiler.loop_nest import expressions
from bertnas_jax.compiler.schedule_integer_gemm import DOT
from bertnas_jax.compiler.statements import Statement

IN_REGISTERS = (tirx.ForKind.UNROLLED, tirx.ForKind.VECTORIZED)


@dataclasses.dataclass(frozen=True)
class Product:
    """`batch` products [rows, inner] x [inner, columns], as the weights are packed.

    `dtype` is that of the right operand, over which go `passes`. `executed_flops` count what the schedule pads too. A register tile is
    `tile_rows` x `tile_columns`.
    """

    batch: int
    rows: int
    inner: int
    columns: int
    dtype: str
    executed_flops: int
    tile_rows: int
    tile_columns: int
    passes: int = 1

    @property
    def flops(self) -> int:
        """2 a multiply-add."""
        return 2 * self.passes * self.batch * self.rows * self.inner * self.columns


def read_product(statement: Statement, scheduled: tirx.PrimFunc) -> Product:
    """The product of an unscheduled kernel's statement, tiled as in the same kernel, scheduled.

    Raises:
      NotImplementedError: the statement is no product of two matrices, or the schedule does not have it.
    """
    axes = _axes_by_role(statement)
    sizes = {role: math.prod(statement.extents[axis] for axis in found) for role, found in axes.items()}
    loops, realize = _loops_around(statement.name, scheduled)
    held = _in_registers(loops)
    position = {role: [realize.iter_values[axis] for axis in found] for role, found in axes.items()}
    rows, columns = ({loop.loop_var for loop in loops if indexes(loop, position[role])} for role in ("rows", "columns"))
    return Product(
        sizes["batch"],
        sizes["rows"],
        sizes["inner"],
        sizes["columns"],
        dtype_of(statement.reads[1][0]),
        2 * _extent(loops),
        _extent(loop for loop in held if loop.loop_var in rows),
        _extent(loop for loop in held if loop.loop_var in columns),
        sizes["passes"],
    )


def _in_registers(loops: Sequence[tirx.For]) -> list[tirx.For]:
    """The loops over a register tile: those unrolled or in vectors, and all within one that becomes dot instructions."""
    dot = next((at for at, loop in enumerate(loops) if DOT in loop.annotations), len(loops))
    return [loop for at, loop in enumerate(loops) if at > dot or loop.kind in IN_REGISTERS]


def _axes_by_role(statement: Statement) -> dict[str, list[int]]:
    if len(statement.reads) != 2:
        raise NotImplementedError(f"a product must be of two arguments, got {len(statement.reads)} in {statement.name}; split it")
    (_, left), (_, right) = statement.reads
    axes: dict[str, list[int]] = {"batch": [], "rows": [], "columns": [], "inner": [], "passes": []}
    for axis, is_reduced in enumerate(statement.reduced):
        of_left, of_right = _depends(left, axis), _depends(right, axis)
        role = ("inner" if of_right else "passes") if is_reduced else {(True, True): "batch", (False, True): "columns"}.get((of_left, of_right), "rows")
        axes[role].append(axis)
    return axes


def _depends(read: isl.Map, axis: int) -> bool:
    """True if other elements are read at another position along the axis."""
    freed = read.eliminate(isl.dim_type.in_, axis, 1).intersect_domain(read.domain())
    return not freed.is_equal(read)


def _loops_around(name: str, scheduled: tirx.PrimFunc) -> tuple[list[tirx.For], SBlockRealize]:
    """The loops around a product's block, outermost first, and its realization."""
    found = [(loops, realize) for loops, realize in realized_blocks(scheduled) if realize.block.name_hint.removesuffix("_update") == name]
    if len(found) != 1:
        raise NotImplementedError(f"a scheduled kernel must have the product {name} once, got {len(found)}; read it before its loops are replaced")
    return found[0]


def realized_blocks(scheduled: tirx.PrimFunc) -> list[tuple[list[tirx.For], SBlockRealize]]:
    """Every block of a scheduled kernel with the loops around it, outermost first."""
    return blocks_under(scheduled.body)


def blocks_under(statement: tirx.Stmt) -> list[tuple[list[tirx.For], SBlockRealize]]:
    """The same of a part of it."""
    found: list[tuple[list[tirx.For], SBlockRealize]] = []

    def visit(node, loops: list[tirx.For]) -> None:
        if isinstance(node, tirx.For):
            visit(node.body, [*loops, node])
        elif isinstance(node, SBlockRealize):
            found.append((loops, node))
            visit(node.block.body, loops)
        elif isinstance(node, tirx.SeqStmt):
            for child in node.seq:
                visit(child, loops)

    visit(statement, [])
    return found


def indexes(loop: tirx.For, values: Sequence[tirx.Expr]) -> bool:
    """True if any of the values depends on the loop's variable."""
    return any(node.same_as(loop.loop_var) for value in values for node in expressions(value))


def _extent(loops) -> int:
    return math.prod(int(loop.extent) for loop in loops)
