"""Pass: squares that a schedule marked are transposed in registers, by whole rows and shuffles.

Loads one by one or gathered cost a tenth of an attention kernel. In registers n vectors of n lanes are transposed by
log2 n passes of n two-operand shuffles: each interleaves vector i with vector i + n/2.
Source of the network: Stone 1971, "Parallel Processing with the Perfect Shuffle", IEEE Trans. Comput. C-20(2), section IV.
Precondition: after schedule_kernels, which marks squares by `mark_squares`. TVM's own tensor intrinsics cannot be
used: version 0.27 ends in a segmentation fault where it copies one.
"""

from __future__ import annotations

from collections.abc import Sequence

import tvm
from tvm import s_tir, tirx
from tvm.ir import Range, TensorRegion
from tvm.ir.expr import TensorLoad
from tvm.s_tir import SBlock, SBlockRealize
from tvm.s_tir.schedule import SBlockRV

from bertnas_jax.compiler.blocks import extent
from bertnas_jax.compiler.loop_nest import expressions
from bertnas_jax.compiler.marked_loops import along_last, replace_marked
from bertnas_jax.compiler.vector_unit import vector_unit

SQUARE = "bertnas.transposed_square"
_SMALLEST = 4  # lanes; smaller squares are as fast element by element


def mark_squares(schedule: s_tir.Schedule, block: SBlockRV) -> None:
    """Splits the last two loops of a transposition into squares and marks them, if they hold one; else, or of another block, does nothing.

    Where squares do not divide the loops, the last ones lie partly over those before them.
    """
    *_, row, column = schedule.get_loops(block)
    rows, columns = extent(schedule, row), extent(schedule, column)
    sides = [side for side in vector_unit().widths[1:] if _SMALLEST <= side <= min(rows, columns)]
    if sides and _is_transposition(schedule.get(block)):
        row_outer, row_inner = schedule.split(row, [None, sides[0]])
        column_outer, column_inner = schedule.split(column, [None, sides[0]])
        schedule.reorder(column_outer, row_outer, row_inner, column_inner)
        schedule.annotate(row_inner, SQUARE, sides[0])


def _is_transposition(block: SBlock) -> bool:
    """True if the block stores what it loads, its rows along the last axis in memory and its columns along another."""
    value = block.body.value
    if not isinstance(value, TensorLoad):  # a choice, such as that of a roll, and no load
        return False
    row, column = (axis.var for axis in block.iter_vars[-2:])
    *outer, last = value.indices
    by_columns = [index for index in value.indices if _depends(index, column)]
    is_by_column = len(by_columns) == 1 and any(index.same_as(column) for index in outer)
    return is_by_column and _is_addend(row, last) and not any(_depends(index, row) for index in outer)


def _is_addend(axis: tirx.Var, index: tirx.Expr) -> bool:
    """True if a step along the axis is one along the index."""
    if index.same_as(axis):
        return True
    return isinstance(index, tirx.Add) and sum(_depends(part, axis) and _is_addend(axis, part) for part in (index.a, index.b)) == 1


def _depends(index: tirx.Expr, axis: tirx.Var) -> bool:
    return any(node.same_as(axis) for node in expressions(index))


def shuffle_transposes(module: tvm.IRModule) -> tvm.IRModule:
    """The module with every marked square in registers."""
    changed = tvm.IRModule(dict(module.functions_items()), attrs=module.attrs)
    for variable, function in module.functions_items():
        if isinstance(function, tirx.PrimFunc):
            changed[variable] = function.with_body(replace_marked(function.body, SQUARE, _in_registers))
    return changed


def _in_registers(rows: tirx.For) -> tirx.For:
    """Marked loops over the rows and columns of a square as one turn each, whose block moves the whole square."""
    columns, side = rows.body, int(rows.extent)
    block = columns.body.block
    store, load = block.body, block.body.value
    row, column = (axis.var for axis in block.iter_vars[-2:])
    loaded = [tirx.BufferLoad(load.source, along_last(_moved(load.indices, column, at), side)) for at in range(side)]
    stores = [
        tirx.BufferStore(store.buffer, value, along_last(_moved(store.indices, row, at), side)) for at, value in enumerate(_transposed(loaded))
    ]
    whole = SBlock(
        block.iter_vars,
        [_widened(region, (row, column), side) for region in block.reads],
        [_widened(region, (row, column), side) for region in block.writes],
        block.name_hint,
        tirx.SeqStmt(stores),
    )
    *outer, of_row, of_column = columns.body.iter_values
    within = [_at_most(value, int(axis.dom.extent) - side) for value, axis in zip((of_row, of_column), block.iter_vars[-2:], strict=True)]
    realize = SBlockRealize([*outer, *within], tirx.const(True, "bool"), whole)
    return _once(rows, _once(columns, realize))


def _at_most(value: tirx.Expr, most: int) -> tirx.Expr:
    """Only the last square may begin too late, and only if squares do not divide the loop."""
    return tirx.min(value, tirx.const(most, value.ty.dtype))


def _moved(indices: Sequence[tirx.Expr], axis: tirx.Var, by: int) -> list[tirx.Expr]:
    """The indices where an axis, which is one of them, is so much further."""
    return [index + by if index.same_as(axis) else index for index in indices]


def _widened(region: TensorRegion, axes: tuple[tirx.Var, ...], side: int) -> TensorRegion:
    """The region of one element of a square as that of the whole square."""

    def is_moved(index):
        return any(_depends(index, axis) for axis in axes)

    ranges = [Range.from_min_extent(of.min, tirx.const(side, of.min.ty.dtype)) if is_moved(of.min) else of for of in region.region]
    return tirx.BufferRegion(region.source, ranges)


def _once(loop: tirx.For, body: tirx.Stmt) -> tirx.For:
    return tirx.For(loop.loop_var, loop.min, tirx.const(1, loop.extent.ty.dtype), loop.kind, body)


def _transposed(rows: list[tirx.Expr]) -> list[tirx.Expr]:
    """The columns of a square of as many vectors as they have lanes."""
    side = len(rows)
    low = [index for lane in range(side // 2) for index in (lane, side + lane)]
    high = [index + side // 2 for index in low]
    for _ in range(side.bit_length() - 1):
        pairs = [(rows[at], rows[at + side // 2]) for at in range(side // 2)]
        rows = [tirx.Shuffle(list(pair), half) for pair in pairs for half in (low, high)]
    return rows
