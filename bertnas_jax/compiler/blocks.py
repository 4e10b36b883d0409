"""Questions about the blocks of a scheduled function, and the moves every schedule starts with."""

from __future__ import annotations

import math
from collections.abc import Collection

from tvm import s_tir, tirx
from tvm.s_tir.schedule import SBlockRV

# Starting the threads costs about 5 us, the time of this many float operations in vectors.
_PARALLEL_OPERATIONS = 1 << 15
# The attribute of a PrimFunc that holds what its plan hoists: by block, the loops over the result that it stays inside of.
HOISTED = "bertnas.hoisted"


def blocks_of(schedule: s_tir.Schedule) -> list[SBlockRV]:
    """The blocks of the function, in program order."""
    return list(schedule.get_child_blocks(schedule.get_sblock("root")))


def name_of(schedule: s_tir.Schedule, block: SBlockRV) -> str:
    return schedule.get(block).name_hint


def is_reduction(schedule: s_tir.Schedule, block: SBlockRV) -> bool:
    """True if the block sums (or maximises) over an axis."""
    return any(variable.iter_type == tirx.IterVar.CommReduce for variable in schedule.get(block).iter_vars)


def is_matmul(schedule: s_tir.Schedule, block: SBlockRV) -> bool:
    """True for a product of two activations."""
    return name_of(schedule, block).startswith("matmul")


def extent(schedule: s_tir.Schedule, loop: s_tir.schedule.LoopRV) -> int:
    return int(schedule.get(loop).extent)


def largest_divisor(size: int, choices: tuple[int, ...]) -> int:
    """The first of the choices that divides size; 1 must be among them."""
    return next(choice for choice in choices if size % choice == 0)


def output_of(schedule: s_tir.Schedule) -> SBlockRV:
    """The block that writes the function's result."""
    return blocks_of(schedule)[-1]


def hoisted(schedule: s_tir.Schedule) -> dict[str, tuple[str, ...]]:
    """What is computed once and kept, by block: the loops over the result (`Loop.name`) outside of it."""
    attributes = schedule.mod["main"].attrs
    found = attributes[HOISTED] if attributes is not None and HOISTED in attributes else {}
    return {str(name): tuple(str(loops).split()) for name, loops in found.items()}


def inline_elementwise(schedule: s_tir.Schedule, keep: Collection[str] = ()) -> None:
    """Inlines every block except reductions, the output and those named in `keep`."""
    for block in blocks_of(schedule)[:-1]:
        if name_of(schedule, block) not in keep and not is_reduction(schedule, block):
            schedule.compute_inline(block)


def parallel_if_worth(schedule: s_tir.Schedule, loop: s_tir.schedule.LoopRV, operations: int) -> None:
    """Runs the loop on all threads if the operations in it are worth starting them."""
    if operations >= _PARALLEL_OPERATIONS and extent(schedule, loop) > 1:
        schedule.parallel(loop)


def iterations(schedule: s_tir.Schedule, block: SBlockRV) -> int:
    """How often the block runs."""
    return math.prod(extent(schedule, loop) for loop in schedule.get_loops(block))
