"""The innermost loops of every product: a block of rows by lanes kept in registers."""

from __future__ import annotations

from tvm import s_tir

from bertnas_jax.compiler.blocks import extent, largest_divisor

# 4 x 16 keeps 8 accumulators of 8 lanes, as many as hide the latency of FMA (4 cycles, 2 a cycle).
ROWS = (4, 6, 5, 3, 2, 1)
LANES = (16, 8, 4, 2, 1)
# Enough steps to hide the loop's own instructions, few enough to stay in the cache of decoded ones.
UNROLL = (8, 10, 12, 6, 13, 7, 9, 11, 5, 4, 3, 2, 1)


def schedule_register_tile(schedule: s_tir.Schedule, product: s_tir.schedule.SBlockRV) -> None:
    """Unrolls and vectorises a product whose last loops are a register block (row, lane, inner).

    The block is cleared before the loop over `inner`, which LLVM then runs in registers.
    """
    row, lane, inner = schedule.get_loops(product)[-3:]
    outer, unrolled = schedule.split(inner, [None, largest_divisor(extent(schedule, inner), UNROLL)])
    schedule.reorder(outer, unrolled, row, lane)
    schedule.unroll(unrolled)
    schedule.unroll(row)
    schedule.vectorize(lane)
    zero = schedule.decompose_reduction(product, outer)
    schedule.unroll(schedule.get_loops(zero)[-2])
    schedule.vectorize(schedule.get_loops(zero)[-1])
