"""Schedule of an attention kernel: scores, softmax and context of a few rows at a time.

One task a head: K^T and V of the head are copied into contiguous buffers, then each block of rows
goes from scores to context within the first-level cache. Nothing of size L x L is ever stored.
"""

from __future__ import annotations

from tvm import s_tir
from tvm.s_tir.schedule import LoopRV, SBlockRV

from bertnas_jax.compiler.blocks import (
    blocks_of,
    extent,
    hoisted,
    inline_elementwise,
    is_matmul,
    is_reduction,
    largest_divisor,
    name_of,
    output_of,
)
from bertnas_jax.compiler.register_tile import schedule_register_tile
from bertnas_jax.compiler.schedule_rows import split_reduction, vectorize_last, vectorize_partials
from bertnas_jax.compiler.shuffle_transposes import mark_squares
from bertnas_jax.compiler.vector_unit import vector_unit

_ROWS_AXIS = 1  # of the result [B, L, N * H]


def schedule_attention(schedule: s_tir.Schedule) -> None:
    """Schedules a function of two matmuls, softmax between them, that writes [B, L, N * H].

    Raises:
      NotImplementedError: the result has another layout.
    """
    scores, context = (block for block in blocks_of(schedule) if is_matmul(schedule, block))
    width = extent(schedule, schedule.get_loops(context)[-2])
    scaled = None if width % vector_unit().lanes == 0 else _pad_context(schedule, context)
    packs = [_right_operand(schedule, block) for block in (scores, context)]
    masked = _only_elementwise_consumer(schedule, scores)
    if masked is None:
        schedule.cache_write(scores, 0, "global")
        masked = schedule.get_consumers(scores)[0]
    placed = [scores, context, masked, *packs] + ([scaled] if scaled is not None else [])
    inline_elementwise(schedule, keep={name_of(schedule, block) for block in placed} | set(hoisted(schedule)))
    once, once_a_head, queries = _before_scores(schedule, scores, placed)
    softmax = _softmax_blocks(schedule, placed + once + once_a_head + queries)
    head, rows, columns = _tile_output(schedule, width) if scaled is None else _tile_context(schedule, scaled)
    schedule.compute_at(context, columns, preserve_unit_loops=True)
    if scaled is not None:
        _tile_padded(schedule, context)
    for block in reversed(softmax):
        schedule.compute_at(block, rows, preserve_unit_loops=True)
        if not is_reduction(schedule, block):
            vectorize_last(schedule, block)
    _tile_scores(schedule, scores, masked, rows)
    for block in reversed(queries):
        schedule.compute_at(block, rows, preserve_unit_loops=True)
    schedule_register_tile(schedule, context)
    vectorize_partials(schedule)
    for block in [*packs, *reversed(once_a_head)]:
        schedule.compute_at(block, head, preserve_unit_loops=True)
    for block in [packs[1], *once, *once_a_head, *queries]:
        vectorize_last(schedule, block)
    mark_squares(schedule, packs[0])


def _before_scores(schedule: s_tir.Schedule, scores: SBlockRV, placed: list[SBlockRV]) -> tuple[list[SBlockRV], ...]:
    """What the plan hoists before the scores: blocks of no loop at all, of loops over batch or heads alone, and of rows."""
    on_rows: dict[str, SBlockRV] = {}
    pending = [scores]
    while pending:
        found = {name_of(schedule, block): block for block in schedule.get_consumers(pending.pop())}
        pending += [block for name, block in found.items() if name not in on_rows]
        on_rows |= found
    elsewhere = set(on_rows) | {name_of(schedule, block) for block in placed}
    loops_of = {name: loops for name, loops in hoisted(schedule).items() if name not in elsewhere}
    found: tuple[list[SBlockRV], ...] = ([], [], [])
    for name, loops in loops_of.items():
        is_of_rows = any(loop.startswith(f"i{_ROWS_AXIS}") for loop in loops)
        found[2 if is_of_rows else 1 if loops else 0].append(schedule.get_sblock(name))
    return found


def _pad_context(schedule: s_tir.Schedule, context: SBlockRV) -> SBlockRV:
    """Makes the context whole vectors wide, on zero columns of V; the block that divides and crops it."""
    schedule.pad_einsum(context, [1] * (len(schedule.get_loops(context)) - 2) + [vector_unit().lanes, 1])
    (crop,) = schedule.get_consumers(context)
    (scaled,) = schedule.get_consumers(crop)
    return scaled


def _right_operand(schedule: s_tir.Schedule, matmul: SBlockRV) -> SBlockRV:
    """The block that lays out the second operand of a matmul."""
    source = schedule.get(matmul).reads[1].source
    for block in schedule.get_producers(matmul):
        if schedule.get(block).writes[0].source.same_as(source):
            return block
    raise NotImplementedError(
        "the second operand of an attention product must be a transposed view, got a kernel argument; transpose it first"
    )


def _only_elementwise_consumer(schedule: s_tir.Schedule, scores: SBlockRV) -> SBlockRV | None:
    consumers = schedule.get_consumers(scores)
    return consumers[0] if len(consumers) == 1 and not is_reduction(schedule, consumers[0]) else None


def _softmax_blocks(schedule: s_tir.Schedule, others: list[SBlockRV]) -> list[SBlockRV]:
    """The blocks between the masked scores and the context, in program order, reductions split."""
    names = {name_of(schedule, block) for block in others} | {name_of(schedule, output_of(schedule))}
    for block in blocks_of(schedule):
        if is_reduction(schedule, block) and name_of(schedule, block) not in names:
            split_reduction(schedule, block)
    return [block for block in blocks_of(schedule) if name_of(schedule, block) not in names]


def _tile_output(schedule: s_tir.Schedule, width: int) -> tuple[LoopRV, LoopRV, LoopRV]:
    """The loops of the result over heads (parallel), blocks of rows, and vectors of a head's columns."""
    output = output_of(schedule)
    loops = schedule.get_loops(output)
    if len(loops) != 3 or extent(schedule, loops[-1]) % width:
        shape = [extent(schedule, loop) for loop in loops]
        raise NotImplementedError(f"an attention kernel must write [B, L, N * {width}], got {shape}; reshape the context after the product")
    batch, row, column = loops
    head, column = schedule.split(column, [None, width])
    row_outer, row_inner = schedule.split(row, [None, largest_divisor(extent(schedule, row), vector_unit().narrow_rows)])
    vector, lane = schedule.split(column, [None, largest_divisor(width, vector_unit().widths)])
    schedule.reorder(batch, head, row_outer, vector, row_inner, lane)
    head = schedule.fuse(batch, head)
    schedule.parallel(head)
    schedule.unroll(row_inner)
    schedule.vectorize(lane)
    return head, row_outer, vector


def _tile_context(schedule: s_tir.Schedule, scaled: SBlockRV) -> tuple[LoopRV, LoopRV, LoopRV]:
    """The same loops, but that over columns, of a context whose heads are no whole vectors; it is merged in a second pass."""
    merged = schedule.get_loops(output_of(schedule))
    schedule.parallel(schedule.fuse(*merged[:-1]))
    *batch, row, column = schedule.get_loops(scaled)
    row_outer, row_inner = schedule.split(row, [None, largest_divisor(extent(schedule, row), vector_unit().narrow_rows)])
    vector, lane = schedule.split(column, [None, vector_unit().lanes])
    schedule.reorder(*batch, row_outer, vector, row_inner, lane)
    head = schedule.fuse(*batch)
    schedule.parallel(head)
    return head, row_outer, row_outer


def _tile_padded(schedule: s_tir.Schedule, context: SBlockRV) -> None:
    """Cuts a block of rows of the padded context, as wide as a head, into register blocks."""
    *_, row, column, inner = schedule.get_loops(context)
    vector, lane = schedule.split(column, [None, largest_divisor(extent(schedule, column), vector_unit().widths)])
    schedule.reorder(vector, row, lane, inner)


def _tile_scores(schedule: s_tir.Schedule, scores: SBlockRV, masked: SBlockRV, rows: LoopRV) -> None:
    """Scores of a block of rows, one register block after another, masked as they are stored."""
    schedule.compute_at(masked, rows, preserve_unit_loops=True)
    *_, row, column = schedule.get_loops(masked)
    vector, lane = schedule.split(column, [None, largest_divisor(extent(schedule, column), vector_unit().widths)])
    schedule.reorder(vector, row, lane)
    schedule.unroll(row)
    schedule.vectorize(lane)
    schedule.compute_at(scores, vector, preserve_unit_loops=True)
    schedule_register_tile(schedule, scores)
