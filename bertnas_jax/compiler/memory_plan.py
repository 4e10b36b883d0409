"""Where each intermediate of a program lies in one arena: no memory is asked for while a model runs.

Two intermediates share bytes only if no launch needs both. Each is placed in the lowest gap that holds it.
Source: greedy by size, and its variations, Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
inference", section 5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from bertnas_jax.compiler.program import Argument, Place, Program

ALIGNMENT = 64  # bytes: a cache line, and what TVM's code assumes of every array


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """The offset in bytes of every intermediate, and the size of the arena."""

    offsets: tuple[int, ...]
    arena_bytes: int


@dataclasses.dataclass(frozen=True)
class RunningMemory:
    """What a program keeps in memory while it runs, in bytes: its weights, each aligned, and the arena of its intermediates.

    These are the sizes of the C library's weights (but for a header of 64 bytes) and of its arena. Neither the code nor what a kernel
    keeps on the stack is in them.
    """

    weight_bytes: int
    arena_bytes: int

    @property
    def total_bytes(self) -> int:
        return self.weight_bytes + self.arena_bytes


def running_memory(program: Program) -> RunningMemory:
    """The memory of a program by its static plan."""
    return RunningMemory(sum(aligned(weight.nbytes) for weight in program.weights), plan_memory(program).arena_bytes)


def lifetimes(program: Program) -> list[tuple[int, int]]:
    """For every intermediate, the first and the last launch that need it; the result outlives them all."""
    born: dict[int, int] = {}
    dies: dict[int, int] = {}
    for time, launch in enumerate(program.launches):
        for index in _intermediates(launch.reads + launch.writes):
            born.setdefault(index, time)
            dies[index] = time
    dies.update({index: len(program.launches) for index in _intermediates((program.result,))})
    return [(born[index], dies[index]) for index in range(len(program.intermediates))]


def _intermediates(arguments: tuple[Argument, ...]) -> list[int]:
    return [argument.index for argument in arguments if argument.place is Place.INTERMEDIATE]


def plan_memory(program: Program) -> MemoryPlan:
    """The smallest arena that one of two orders of placement finds: the largest first, or as they are computed."""
    sizes = [aligned(kind.num_bytes) for kind in program.intermediates]
    alive = lifetimes(program)
    by_size = sorted(range(len(sizes)), key=lambda index: (-sizes[index], index))
    by_birth = sorted(range(len(sizes)), key=lambda index: (alive[index][0], -alive[index][1]))
    return min((_place(order, sizes, alive) for order in (by_size, by_birth)), key=lambda plan: plan.arena_bytes)


def _place(order: Sequence[int], sizes: Sequence[int], alive: Sequence[tuple[int, int]]) -> MemoryPlan:
    """Each intermediate in turn in the lowest gap that is free while it is needed."""
    offsets: dict[int, int] = {}
    for index in order:
        taken = sorted((offsets[other], offsets[other] + sizes[other]) for other in offsets if _overlap(alive[index], alive[other]))
        offsets[index] = _lowest_gap(taken, sizes[index])
    end = max((offset + sizes[index] for index, offset in offsets.items()), default=0)
    return MemoryPlan(tuple(offsets[index] for index in range(len(sizes))), end)


def share_buffers(program: Program) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The buffer of every intermediate, and the bytes of each buffer: for devices that address buffers, not an arena."""
    sizes, alive = [kind.num_bytes for kind in program.intermediates], lifetimes(program)
    holders: list[list[int]] = []
    for index in sorted(range(len(sizes)), key=lambda index: (-sizes[index], index)):
        free = (held for held in holders if not any(_overlap(alive[index], alive[other]) for other in held))
        holder = next(free, None)
        if holder is None:
            holders.append(holder := [])
        holder.append(index)
    place = {index: number for number, held in enumerate(holders) for index in held}
    return tuple(place[index] for index in range(len(sizes))), tuple(max(sizes[index] for index in held) for held in holders)


def peak_bytes(program: Program) -> int:
    """The most that any launch needs at once: no arena can be smaller."""
    sizes, alive = [aligned(kind.num_bytes) for kind in program.intermediates], lifetimes(program)
    times = range(len(program.launches))
    return max((sum(size for size, (born, dies) in zip(sizes, alive, strict=True) if born <= time <= dies) for time in times), default=0)


def aligned(size: int) -> int:
    """The size rounded up to the alignment."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _lowest_gap(taken: list[tuple[int, int]], size: int) -> int:
    """The lowest offset from which `size` bytes are free; `taken` is in order of its beginnings."""
    offset = 0
    for begin, end in taken:
        if begin - offset >= size:
            break
        offset = max(offset, end)
    return offset
