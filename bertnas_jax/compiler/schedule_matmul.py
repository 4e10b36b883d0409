"""Schedule of a product of two activations that is not part of an attention kernel."""

from __future__ import annotations

from tvm import s_tir

from bertnas_jax.compiler.blocks import (
    blocks_of,
    extent,
    inline_elementwise,
    is_matmul,
    iterations,
    largest_divisor,
    output_of,
    parallel_if_worth,
)
from bertnas_jax.compiler.register_tile import schedule_register_tile
from bertnas_jax.compiler.vector_unit import vector_unit


def schedule_matmul(schedule: s_tir.Schedule) -> None:
    """Schedules a function with one matmul: register blocks, one task a block of rows."""
    (product,) = (block for block in blocks_of(schedule) if is_matmul(schedule, block))
    if not schedule.get_consumers(product):
        schedule.cache_write(product, 0, "global")
    inline_elementwise(schedule)
    *batch, row, column, inner = schedule.get_loops(product)
    row_outer, row_inner = schedule.split(row, [None, largest_divisor(extent(schedule, row), vector_unit().rows)])
    vector, lane = schedule.split(column, [None, largest_divisor(extent(schedule, column), vector_unit().widths)])
    schedule.reorder(*batch, row_outer, vector, row_inner, lane, inner)
    task = schedule.fuse(*batch, row_outer)
    parallel_if_worth(schedule, task, 2 * iterations(schedule, product))
    schedule.reverse_compute_at(output_of(schedule), vector)
    schedule.vectorize(schedule.get_loops(output_of(schedule))[-1])
    schedule_register_tile(schedule, product)
