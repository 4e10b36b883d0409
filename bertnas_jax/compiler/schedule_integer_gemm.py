"""Schedule of a packed GEMM of whole numbers with its fused epilogue.

The loops are those of schedule_gemm.py; the innermost ones become the target's dot instruction (emit_dots.py). A product
of digits passes K once a digit with the same registers, which are taken `DIGIT` times in between.
"""

from __future__ import annotations

from math import gcd

from tvm import s_tir, tirx

from bertnas_jax.compiler.blocks import extent, inline_elementwise, iterations, largest_divisor, output_of, parallel_if_worth
from bertnas_jax.compiler.emitter import dtype_of, shape_of
from bertnas_jax.compiler.gemm_tile import tile_of_block
from bertnas_jax.compiler.integer_dot import dot_of
from bertnas_jax.compiler.register_tile import UNROLL
from bertnas_jax.compiler.schedule_gemm import attach_epilogue

# The annotation of a loop that is to become one dot instruction with all loops in it.
DOT = "bertnas.dot"
# That of a loop over digits, before each of which the sums are to be shifted by one digit.
DIGITS = "bertnas.digits"


def schedule_integer_gemm(schedule: s_tir.Schedule) -> None:
    """Schedules a function whose anchor block is `packed_gemm_integer`."""
    gemm = schedule.get_sblock("packed_gemm_integer")
    weights = schedule.get(gemm).reads[1].source
    dot = dot_of(dtype_of(weights))
    if not schedule.get_consumers(gemm):
        schedule.cache_write(gemm, 0, "global")
    inline_elementwise(schedule)
    *outer, group, inner = schedule.get_loops(gemm)
    digits = [outer.pop()] if sum(axis.iter_type == tirx.IterVar.CommReduce for axis in schedule.get(gemm).iter_vars) > 2 else []
    *rows, columns = outer
    tile = tile_of_block(schedule.get(gemm).annotations, shape_of(weights)[2] // dot.depth, extent(schedule, rows[-1]), dot.most_rows)
    task, row_outer, row_inner = schedule.split(schedule.fuse(*rows), [tile.tasks, None, tile.rows])
    registers = tile.panel // dot.lanes
    panel, register, lane = schedule.split(columns, [None, registers, dot.lanes])
    steps = extent(schedule, group) // dot.groups
    unroll = largest_divisor(steps, UNROLL)
    outer, unrolled, step, group = schedule.split(group, [None, unroll // gcd(unroll, dot.steps), gcd(unroll, dot.steps), dot.groups])
    schedule.reorder(panel, task, row_outer, *digits, outer, unrolled, step, row_inner, register, group, lane, inner)
    parallel_if_worth(schedule, schedule.fuse(panel, task), 2 * iterations(schedule, gemm) // dot.step)
    attach_epilogue(schedule, output_of(schedule), row_outer, tile.panel)
    schedule.annotate(step, DOT, 1)
    for digit in digits:
        schedule.annotate(digit, DIGITS, 1)
    schedule.unroll(unrolled)
    zero = schedule.decompose_reduction(gemm, [*digits, outer][0])
    *_, row, register, lane = schedule.get_loops(zero)
    schedule.unroll(row)
    schedule.unroll(register)
    schedule.vectorize(lane)
