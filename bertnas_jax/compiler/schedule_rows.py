"""Schedule of row-wise kernels: softmax, layer normalisation and their neighbours.

One task a row; reductions along it keep a vector of partial results, combined at the end in a
fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from tvm import s_tir

from bertnas_jax.compiler.blocks import (
    blocks_of,
    extent,
    hoisted,
    inline_elementwise,
    is_reduction,
    iterations,
    largest_divisor,
    name_of,
    output_of,
    parallel_if_worth,
)
from bertnas_jax.compiler.vector_unit import vector_unit


def schedule_rows(schedule: s_tir.Schedule) -> None:
    """Schedules a function of elementwise blocks and reductions along the last axis."""
    if is_reduction(schedule, output_of(schedule)):
        schedule.cache_write(output_of(schedule), 0, "global")  # a copy of the result is what the rest is moved into
    inline_elementwise(schedule, keep=hoisted(schedule))
    for block in blocks_of(schedule)[:-1]:
        if is_reduction(schedule, block):
            split_reduction(schedule, block)
    output = output_of(schedule)
    operations = sum(iterations(schedule, block) for block in blocks_of(schedule))
    *rows, _ = schedule.get_loops(output)
    row = schedule.fuse(*rows)
    parallel_if_worth(schedule, row, operations)
    for block in reversed(blocks_of(schedule)[:-1]):
        schedule.compute_at(block, row, preserve_unit_loops=True)
        if not is_reduction(schedule, block):
            vectorize_last(schedule, block)
    vectorize_last(schedule, output)
    vectorize_partials(schedule)


def split_reduction(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
    """Splits a reduction into `*_rf`, a vector of partial results, and their combination."""
    loop = schedule.get_loops(block)[-1]
    lanes = largest_divisor(extent(schedule, loop), vector_unit().widths)
    if lanes > 1:
        _, lane = schedule.split(loop, [None, lanes])
        axes = len(schedule.get(block).writes[0].region)
        schedule.rfactor(lane, axes)


def vectorize_partials(schedule: s_tir.Schedule) -> None:
    """Vectorises what `split_reduction` made, once it is where it is computed."""
    partials = {name_of(schedule, block): block for block in blocks_of(schedule) if name_of(schedule, block).endswith("_rf")}
    for name, block in partials.items():
        lane, *spatial, outer = _own_loops(schedule, block)
        schedule.reorder(*spatial, outer, lane)
        schedule.vectorize(lane)
        zero = schedule.decompose_reduction(block, outer)
        schedule.vectorize(schedule.get_loops(zero)[-1])
        combination = schedule.get_sblock(name.removesuffix("_rf"))
        lane, *spatial = _own_loops(schedule, combination)
        schedule.reorder(*spatial, lane)
        schedule.unroll(lane)


def _own_loops(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> list[s_tir.schedule.LoopRV]:
    """The loops of the block's own axes, after it was moved into another's loops."""
    return schedule.get_loops(block)[-len(schedule.get(block).iter_vars) :]


def vectorize_last(schedule: s_tir.Schedule, block: s_tir.schedule.SBlockRV) -> None:
    """Runs the block's last loop in vectors."""
    loop = schedule.get_loops(block)[-1]
    lanes = largest_divisor(extent(schedule, loop), vector_unit().widths)
    if lanes > 1:
        schedule.vectorize(schedule.split(loop, [None, lanes])[1])

