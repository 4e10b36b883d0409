"""Where each intermediate of a program lies in one arena: no memory is asked for while a model runs.

Two intermediates share bytes only if no launch needs both; or if a launch reads one for the last time and writes the other,
element by element in its place (`in_place.py`). The second is done only where a launch would else need more than the most
that any launch cannot do without: the residual of a block, which its last product adds, is so overwritten, and the arena a
sixth smaller (128 tokens in float32: 2,359,296 -> 1,966,080 bytes at 768 wide with 3,072 neurons, 1,179,648 -> 983,040 at 384
with 1,536, 786,432 -> 655,360 at 256 with 1,024). Each is placed in the lowest gap that holds it.
Source: greedy by size, and its variations, Pisarchyk and Lee 2020, "Efficient memory management for deep neural net
inference", section 5.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from bertnas_jax.compiler.program import Argument, Launch, Place, Program

ALIGNMENT = 64  # bytes: a cache line, and what TVM's code assumes of every array


@dataclasses.dataclass(frozen=True)
class MemoryPlan:
    """The offset in bytes of every intermediate, and the size of the arena.

    `in_place` has, by launch, the number of what it reads and that of what it writes over it.
    """

    offsets: tuple[int, ...]
    arena_bytes: int
    in_place: Mapping[int, tuple[int, int]] = dataclasses.field(default_factory=dict)


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
    """The smallest arena that one of two orders of placement finds: the largest first, or as they are computed.

    Arguments are overwritten in place only if that makes it smaller.
    """
    taken = taken_over(program)
    plans = [_plan(program, pairs) for pairs in ({}, taken)] if taken else [_plan(program, {})]
    return min(plans, key=lambda plan: plan.arena_bytes)


def taken_over(program: Program) -> dict[int, tuple[int, int]]:
    """By launch, what it reads and what it writes over that, by their numbers, where it would else need more than the peak."""
    sizes, alive, needed = _sizes(program), lifetimes(program), _needed(program)
    pairs: dict[int, tuple[int, int]] = {}
    for time, launch in enumerate(program.launches):
        legal = [pair for pair in launch.in_place if _may_take(launch, *pair, time, alive)]
        if legal:
            pairs[time] = max(legal, key=lambda pair: sizes[launch.reads[pair[0]].index])
    saved = {time: sizes[program.launches[time].reads[read].index] for time, (read, _) in pairs.items()}
    peak = max((need - saved.get(time, 0) for time, need in enumerate(needed)), default=0)
    return {time: pair for time, pair in pairs.items() if needed[time] > peak}


def _may_take(launch: Launch, read: int, write: int, time: int, alive: Sequence[tuple[int, int]]) -> bool:
    """True if the launch reads an intermediate for the last time, by no other parameter, and is the first to write the other."""
    old, new = launch.reads[read], launch.writes[write]
    return old.place is Place.INTERMEDIATE and launch.reads.count(old) == 1 and alive[old.index][1] == time == alive[new.index][0]


def _plan(program: Program, taken: Mapping[int, tuple[int, int]]) -> MemoryPlan:
    """A plan in which what takes over the bytes of another lies where that does, as one that lives as long as both."""
    first = list(range(len(program.intermediates)))
    alive, sizes = lifetimes(program), _sizes(program)
    for time, (read, write) in sorted(taken.items()):
        old, new = program.launches[time].reads[read].index, program.launches[time].writes[write].index
        first[new] = first[old]
        alive[first[old]] = (alive[first[old]][0], alive[new][1])
    held = sorted(set(first))
    by_size = sorted(held, key=lambda index: (-sizes[index], index))
    by_birth = sorted(held, key=lambda index: (alive[index][0], -alive[index][1]))
    offsets = min((_place(order, sizes, alive) for order in (by_size, by_birth)), key=lambda placed: _end(placed, sizes))
    return MemoryPlan(tuple(offsets[index] for index in first), _end(offsets, sizes), dict(taken))


def _place(order: Sequence[int], sizes: Sequence[int], alive: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The offset of each intermediate, in turn in the lowest gap that is free while it is needed."""
    offsets: dict[int, int] = {}
    for index in order:
        taken = sorted((offsets[other], offsets[other] + sizes[other]) for other in offsets if _overlap(alive[index], alive[other]))
        offsets[index] = _lowest_gap(taken, sizes[index])
    return offsets


def _end(offsets: Mapping[int, int], sizes: Sequence[int]) -> int:
    return max((offset + sizes[index] for index, offset in offsets.items()), default=0)


def share_buffers(program: Program) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The buffer of every intermediate, and the bytes of each buffer: for devices that address buffers, not an arena.

    Never in place: the pointers of OpenCL kernels are `restrict`, and their work-groups run in any order.
    """
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
    """The most that any launch needs at once: no arena can be smaller unless a launch writes over what it reads."""
    return max(_needed(program), default=0)


def _needed(program: Program) -> list[int]:
    """The bytes of all intermediates that are alive at each launch."""
    alive = list(zip(_sizes(program), lifetimes(program), strict=True))
    return [sum(size for size, (born, dies) in alive if born <= time <= dies) for time in range(len(program.launches))]


def _sizes(program: Program) -> list[int]:
    return [aligned(kind.num_bytes) for kind in program.intermediates]


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
