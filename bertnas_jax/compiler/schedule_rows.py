"""Schedule of row-wise kernels: softmax, layer normalisation and their neighbours.

One task a row; reductions along it keep a vector of partial results, combined at the end in a
fixed order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from tvm import s_tir, tirx
from tvm.s_tir.schedule import LoopRV, SBlockRV

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

_COMBINED_AT_ONCE = 4  # partial results; a vector of fewer lanes is no faster than one after the other


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


def split_reduction(schedule: s_tir.Schedule, block: SBlockRV) -> None:
    """Splits a reduction into a vector of partial results, its sums by halves, and the combination of the last few.

    Lane by lane, a combination would be as long a chain of operations as a register has lanes, for every row.
    """
    lanes = largest_divisor(extent(schedule, schedule.get_loops(block)[-1]), vector_unit().widths)
    axes = len(schedule.get(block).writes[0].region)
    while lanes >= _COMBINED_AT_ONCE:
        _, lane = schedule.split(schedule.get_loops(block)[-1], [None, lanes])
        schedule.rfactor(lane, axes)
        lanes //= 2


def vectorize_partials(schedule: s_tir.Schedule) -> None:
    """Vectorises what `split_reduction` made, once it is where it is computed."""
    of_partials = [block for block in blocks_of(schedule) if name_of(schedule, block).endswith("_rf")]
    combined = {name_of(schedule, block).removesuffix("_rf") for block in of_partials}
    for block in of_partials:
        (lane, *spatial), reduced = _loops_by_kind(schedule, block)
        schedule.reorder(*spatial, reduced, lane)
        schedule.vectorize(lane)
        zero = schedule.decompose_reduction(block, reduced)
        schedule.vectorize(schedule.get_loops(zero)[-1])
    for block in blocks_of(schedule):
        if name_of(schedule, block) in combined:
            spatial, reduced = _loops_by_kind(schedule, block)
            schedule.reorder(*spatial, reduced)
            schedule.unroll(reduced)


def _loops_by_kind(schedule: s_tir.Schedule, block: SBlockRV) -> tuple[list[LoopRV], LoopRV]:
    """The loops of a block's spatial axes, and that of its only reduction axis."""
    loops = _own_loops(schedule, block)
    (at,) = [at for at, axis in enumerate(schedule.get(block).iter_vars) if axis.iter_type == tirx.IterVar.CommReduce]
    return loops[:at] + loops[at + 1 :], loops[at]


def _own_loops(schedule: s_tir.Schedule, block: SBlockRV) -> list[LoopRV]:
    """The loops of the block's own axes, after it was moved into another's loops."""
    return schedule.get_loops(block)[-len(schedule.get(block).iter_vars) :]


def vectorize_last(schedule: s_tir.Schedule, block: SBlockRV) -> None:
    """Runs the block's last loop in vectors; a single number has none."""
    if not (loops := schedule.get_loops(block)):
        return
    loop = loops[-1]
    lanes = largest_divisor(extent(schedule, loop), vector_unit().widths)
    if lanes > 1:
        schedule.vectorize(schedule.split(loop, [None, lanes])[1])

