"""Schedule of a packed GEMM of halves with its fused epilogue.

The loops are those of schedule_gemm.py; each block of K is summed in registers of halves, and added to float32 sums that lie
in the first-level cache.
"""

from __future__ import annotations

from tvm import s_tir

from bertnas_jax.compiler.blocks import extent, inline_elementwise, iterations, largest_divisor, output_of, parallel_if_worth
from bertnas_jax.compiler.register_tile import schedule_register_tile, vectorize_block
from bertnas_jax.compiler.schedule_gemm import attach_epilogue
from bertnas_jax.compiler.vector_unit import vector_unit

# Rows of a register block: with panels of 16 columns, two registers, 16 accumulators of 32 registers.
_ROWS = (8, 6, 7, 5, 4, 3, 2, 1)


def schedule_half_gemm(schedule: s_tir.Schedule) -> None:
    """Schedules a function whose anchor blocks are `packed_gemm_half` and `sum_halves`."""
    gemm, total = schedule.get_sblock("packed_gemm_half"), schedule.get_sblock("sum_halves")
    if not schedule.get_consumers(total):
        schedule.cache_write(total, 0, "global")
    inline_elementwise(schedule)
    *rows, columns, block = schedule.get_loops(total)
    block_rows = largest_divisor(extent(schedule, rows[-1]), _ROWS)
    row_outer, row_inner = schedule.split(schedule.fuse(*rows), [None, block_rows])
    panel, lane = schedule.split(columns, [None, vector_unit().panel])
    schedule.reorder(panel, row_outer, block, row_inner, lane)
    parallel_if_worth(schedule, panel, 2 * iterations(schedule, gemm))
    attach_epilogue(schedule, output_of(schedule), row_outer, vector_unit().panel)
    schedule.compute_at(gemm, block, preserve_unit_loops=True)
    *_, row, part, _, _ = schedule.get_loops(gemm)
    schedule.reorder(part, row)  # the one part that this block of K is
    schedule.unroll(row_inner)
    vectorize_block(schedule, lane)
    zero = schedule.decompose_reduction(total, block)
    *_, row, register, lane = schedule.get_loops(zero)
    schedule.unroll(row)
    schedule.unroll(register)
    schedule.vectorize(lane)
    schedule_register_tile(schedule, gemm)
