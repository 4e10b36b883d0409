"""The innermost loops of every product: a block of rows by lanes kept in registers."""

from __future__ import annotations

from tvm import s_tir

from bertnas_jax.compiler.blocks import extent, largest_divisor
from bertnas_jax.compiler.vector_unit import vector_unit

# Enough steps to hide the loop's own instructions, few enough to stay in the cache of decoded ones.
UNROLL = (8, 10, 12, 6, 13, 7, 9, 11, 5, 4, 3, 2, 1)


def schedule_register_tile(schedule: s_tir.Schedule, product: s_tir.schedule.SBlockRV) -> None:
    """Unrolls and vectorises a product whose last loops are a register block (row, lane, inner).

    The block is cleared before the loop over `inner`, which LLVM then runs in registers.
    """
    row, column, inner = schedule.get_loops(product)[-3:]
    outer, unrolled = schedule.split(inner, [None, largest_divisor(extent(schedule, inner), UNROLL)])
    schedule.reorder(outer, unrolled, row, column)
    schedule.unroll(unrolled)
    schedule.unroll(row)
    vectorize_block(schedule, column)
    zero = schedule.decompose_reduction(product, outer)
    *_, row, register, lane = schedule.get_loops(zero)
    schedule.unroll(row)
    schedule.unroll(register)
    schedule.vectorize(lane)


def vectorize_block(schedule: s_tir.Schedule, column: s_tir.schedule.LoopRV) -> None:
    """Runs the columns of a register block in one vector, or where they are no power of two in registers one by one.

    LLVM splits a vector of two registers well, one of three into parts that it moves about.
    """
    lanes = largest_divisor(extent(schedule, column), vector_unit().widths)
    register, lane = schedule.split(column, [None, lanes])
    schedule.unroll(register)
    schedule.vectorize(lane)
