"""Schedule of a packed GEMM with its fused epilogue.

One task a weight panel, or its tile's number of them: a panel's columns stay in cache while the rows pass over
it in register blocks, so that every weight is read from memory once a task and results do not depend on the
number of threads. The epilogue runs on the block before it is written.
"""

from __future__ import annotations

from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from bertnas_jax.compiler.blocks import extent, inline_elementwise, iterations, output_of, parallel_if_worth
from bertnas_jax.compiler.emitter import shape_of
from bertnas_jax.compiler.gemm_tile import tile_of_block
from bertnas_jax.compiler.register_tile import schedule_register_tile, vectorize_block
from bertnas_jax.compiler.vector_unit import vector_unit


def schedule_gemm(schedule: s_tir.Schedule) -> None:
    """Schedules a function whose anchor block is `packed_gemm`."""
    gemm = schedule.get_sblock("packed_gemm")
    if not schedule.get_consumers(gemm):
        schedule.cache_write(gemm, 0, "global")
    inline_elementwise(schedule)
    *rows, columns, inner = schedule.get_loops(gemm)
    block, width = schedule.get(gemm), shape_of(schedule.get(gemm).reads[1].source)[-1]
    tile = tile_of_block(block.annotations, width, extent(schedule, rows[-1]))  # of one sentence: its epilogue is a rectangle too
    task, row_outer, row_inner = schedule.split(schedule.fuse(*rows), [tile.tasks, None, tile.rows])
    panel, lane = schedule.split(columns, [None, tile.panel])
    schedule.reorder(panel, task, row_outer, row_inner, lane, inner)
    parallel_if_worth(schedule, schedule.fuse(panel, task), 2 * iterations(schedule, gemm))
    attach_epilogue(schedule, output_of(schedule), row_outer, tile.panel)
    schedule_register_tile(schedule, gemm)


def attach_epilogue(schedule: s_tir.Schedule, epilogue: SBlockRV, row_outer: LoopRV, panel: int) -> None:
    """Computes the epilogue on each register block, in vectors where the columns fill them."""
    columns = extent(schedule, schedule.get_loops(epilogue)[-1])
    schedule.reverse_compute_at(epilogue, row_outer)
    *_, rows, lanes = schedule.get_loops(epilogue)
    unit = vector_unit()
    if columns % panel == 0:
        schedule.unroll(rows)
        vectorize_block(schedule, lanes)
    elif columns % unit.lanes == 0:
        # Only whole vectors lie past the last column: one test a vector.
        schedule.vectorize(schedule.split(lanes, [None, unit.lanes])[1])
