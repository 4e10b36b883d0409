"""Schedule of a packed GEMM with its fused epilogue.

One task a weight panel: its columns stay in cache while all rows pass over it in register
blocks, so that every weight is read from memory once and results do not depend on the
number of threads. The epilogue runs on the block before it is written.
"""

from __future__ import annotations

from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from bertnas_jax.compiler.blocks import extent, inline_elementwise, iterations, largest_divisor, output_of, parallel_if_worth
from bertnas_jax.compiler.register_tile import schedule_register_tile, vectorize_block
from bertnas_jax.compiler.vector_unit import vector_unit


def schedule_gemm(schedule: s_tir.Schedule) -> None:
    """Schedules a function whose anchor block is `packed_gemm`."""
    gemm = schedule.get_sblock("packed_gemm")
    if not schedule.get_consumers(gemm):
        schedule.cache_write(gemm, 0, "global")
    inline_elementwise(schedule)
    *rows, columns, inner = schedule.get_loops(gemm)
    block = largest_divisor(extent(schedule, rows[-1]), vector_unit().rows)  # of one sentence: its epilogue is a rectangle too
    row_outer, row_inner = schedule.split(schedule.fuse(*rows), [None, block])
    panel, lane = schedule.split(columns, [None, vector_unit().panel])
    schedule.reorder(panel, row_outer, row_inner, lane, inner)
    parallel_if_worth(schedule, panel, 2 * iterations(schedule, gemm))
    attach_epilogue(schedule, output_of(schedule), row_outer)
    schedule_register_tile(schedule, gemm)


def attach_epilogue(schedule: s_tir.Schedule, epilogue: SBlockRV, row_outer: LoopRV) -> None:
    """Computes the epilogue on each register block, in vectors where the columns fill them."""
    columns = extent(schedule, schedule.get_loops(epilogue)[-1])
    schedule.reverse_compute_at(epilogue, row_outer)
    *_, rows, lanes = schedule.get_loops(epilogue)
    unit = vector_unit()
    if columns % unit.panel == 0:
        schedule.unroll(rows)
        vectorize_block(schedule, lanes)
    elif columns % unit.lanes == 0:
        # Only whole vectors lie past the last column: one test a vector.
        schedule.vectorize(schedule.split(lanes, [None, unit.lanes])[1])
