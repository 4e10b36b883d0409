"""Schedules of the small kernels: elementwise functions and reductions over any axis."""

from __future__ import annotations

from tvm import s_tir, tirx

from bertnas_jax.compiler.blocks import (
    blocks_of,
    extent,
    hoisted,
    inline_elementwise,
    is_reduction,
    iterations,
    largest_divisor,
    parallel_if_worth,
)
from bertnas_jax.compiler.emitter import dtype_of
from bertnas_jax.compiler.region import element_bytes
from bertnas_jax.compiler.schedule_rows import vectorize_last
from bertnas_jax.compiler.vector_unit import vector_unit

_FLOAT32_BYTES = 4
# The annotation of a loop over vectors that LLVM is to leave as they are (keep_vectors.py).
VECTORS = "bertnas.vectors"


def schedule_elementwise(schedule: s_tir.Schedule) -> None:
    """Schedules a function without reductions: one parallel loop over rows, vectors along them."""
    inline_elementwise(schedule, keep=hoisted(schedule))
    for block in blocks_of(schedule):
        operations = iterations(schedule, block)
        rows = schedule.get_loops(block)[:-1]
        vectorize_last(schedule, block)
        is_in_vectors = len(schedule.get_loops(block)) > len(rows) + 1
        if is_in_vectors and element_bytes(dtype_of(schedule.get(block).writes[0].source)) < _FLOAT32_BYTES:
            schedule.annotate(schedule.get_loops(block)[-2], VECTORS, 1)
        if rows:
            parallel_if_worth(schedule, schedule.fuse(*rows), operations)


def schedule_reduction(schedule: s_tir.Schedule) -> None:
    """Schedules a function with one reduction over an axis that is not the last: columns in vectors."""
    inline_elementwise(schedule, keep=hoisted(schedule))
    for block in blocks_of(schedule):
        if not is_reduction(schedule, block):
            vectorize_last(schedule, block)
            continue
        kinds = [axis.iter_type for axis in schedule.get(block).iter_vars]
        loops = schedule.get_loops(block)
        inner = [loop for loop, kind in zip(loops, kinds, strict=True) if kind == tirx.IterVar.CommReduce]
        *rows, column = [loop for loop, kind in zip(loops, kinds, strict=True) if kind != tirx.IterVar.CommReduce]
        operations = iterations(schedule, block)
        outer, lane = schedule.split(column, [None, largest_divisor(extent(schedule, column), vector_unit().widths)])
        schedule.reorder(*rows, outer, *inner, lane)
        schedule.vectorize(lane)
        parallel_if_worth(schedule, schedule.fuse(*rows, outer), operations)
        zero = schedule.decompose_reduction(block, inner[0])
        schedule.vectorize(schedule.get_loops(zero)[-1])
