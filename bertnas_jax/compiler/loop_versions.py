"""The loop versions of a region, and what the cheapest of them costs.

A version is an order of the loops over the result and, for every other operator, a choice: compute
it again wherever it is read (`inline`), or once per iteration of the outer loops, as far in as no
element is computed twice, and keep that part in cache (`hoist`). The price is in bytes of
traffic, so that operations and bytes can be weighed against each other.

The idea of computing, at a tile of the consumer, what that tile needs is that of Zhao and Di 2020,
"Optimizing the memory hierarchy by compositing automatic transformations on computations and data".
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Sequence

from bertnas_jax.compiler.core_cache import core_cache_bytes
from bertnas_jax.compiler.region import KEPT_REGIONS, Loop, Region, element_bytes, is_recomputed, loops_of, points, relations_of
from bertnas_jax.compiler.vector_unit import vector_unit

# 100 GFLOP/s of float32 a core (benchmarks/results/gemm_peak_2026-11-22.json) to the 25.6 GB/s of a DDR4-3200 channel;
# a test holds that BERT's kernels are the same from 1 to 16.
OPERATIONS_PER_BYTE = 4


@dataclasses.dataclass(frozen=True)
class Machine:
    """What prices a version: the bytes that a core keeps close, and the loads that one takes whose neighbour along the vector lies elsewhere."""

    cache_bytes: int
    strided_load: int


def target_machine() -> Machine:
    """That of the target around the call: half of the second-level cache, and a load for every lane of a register."""
    return Machine(core_cache_bytes() // 2, vector_unit().lanes)


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where a member is computed: inline, or hoisted into `depth` loops, `cached` elements of it at a time."""

    is_inline: bool
    depth: int
    executions: int
    cached: int


@dataclasses.dataclass(frozen=True)
class Version:
    """A region's loops, outermost first, the placement of each member, and the price in bytes."""

    loops: tuple[Loop, ...]
    placements: tuple[Placement, ...]
    moved_bytes: int
    operations: int

    @property
    def price(self) -> float:
        return self.moved_bytes + self.operations / OPERATIONS_PER_BYTE

    @property
    def cached_elements(self) -> int:
        return sum(placement.cached for placement in self.placements)


@functools.lru_cache(KEPT_REGIONS)
def best_version(region: Region, machine: Machine) -> Version:
    """The cheapest version; of equals the one that keeps least in cache."""
    loops = loops_of(region)
    nest = _Nest(region, loops, machine)
    orders = itertools.permutations(range(len(loops)))
    return min((nest.version(order) for order in orders), key=lambda version: (version.price, version.cached_elements))


class _Nest:
    """A region over loops whose order is still open."""

    def __init__(self, region: Region, loops: Sequence[Loop], machine: Machine):
        self._region, self._loops, self._machine = region, loops, machine
        self._relations = relations_of(region, loops)
        self._recomputed: dict[tuple[int, frozenset[int]], bool] = {}
        self._points: dict[tuple[int, frozenset[int]], int] = {}

    def version(self, order: tuple[int, ...]) -> Version:
        """The version with the loops in that order, each member placed where it is cheapest."""
        region, root = self._region, len(self._region.operators) - 1
        placements: dict[int, Placement] = {root: Placement(False, len(order), region.root.elements, 0)}
        for member in reversed(range(root)):
            placements[member] = self._place(member, order, placements)
        moved = region.root.elements * element_bytes(region.root.dtype)
        moved += sum(self._spilled_bytes(member, placements[member]) for member in range(root))
        moved += sum(self._input_bytes(index, order, placements) for index in range(len(region.inputs)))
        operations = sum(self._operations(member, placement) for member, placement in placements.items())
        return Version(tuple(self._loops[loop] for loop in order), tuple(placements[m] for m in range(root + 1)), moved, operations)

    def _place(self, member: int, order: tuple[int, ...], placements: dict[int, Placement]) -> Placement:
        operator = self._region.operators[member]
        users = {user for user, _ in self._region.uses(member)}
        read = sum(self._reads_by(user, placements[user]) for user in users)
        inline = Placement(True, max(placements[user].depth for user in users), read, 0)
        depth = next(depth for depth in reversed(range(len(order) + 1)) if not self._is_recomputed(member, order[:depth]))
        hoisted = Placement(False, depth, operator.elements, self._points_of(member, order[:depth]))
        if operator.reduces or self._operations(member, hoisted) < self._operations(member, inline):
            return hoisted
        return inline

    def _reads_by(self, user: int, placement: Placement) -> int:
        """How often one value is read by a member placed there."""
        operator = self._region.operators[user]
        return placement.executions * operator.reading_executions // operator.elements

    def _operations(self, member: int, placement: Placement) -> int:
        operator = self._region.operators[member]
        work = operator.operations / operator.elements
        work = max(work, self._machine.strided_load) if not operator.is_contiguous else work
        is_stored = not (placement.is_inline or operator.reduces or operator is self._region.root)
        return round(work * placement.executions) + is_stored * placement.executions

    def _spilled_bytes(self, member: int, placement: Placement) -> int:
        """Bytes of a hoisted member that no cache holds between its writing and its reading."""
        operator = self._region.operators[member]
        width = element_bytes(operator.dtype)
        return 2 * operator.elements * width if placement.cached * width > self._machine.cache_bytes else 0

    def _input_bytes(self, index: int, order: tuple[int, ...], placements: dict[int, Placement]) -> int:
        """Bytes of an input from memory: read again wherever the loops between two uses push it out of the cache."""
        value, width = -1 - index, self._region.inputs[index].element_bytes
        users = [user for user, _ in self._region.uses(value)]
        innermost = max(placements[user].depth for user in users)
        for depth in range(innermost + 1):
            held = self._points_of(value, order[:depth]) * width
            if held <= self._machine.cache_bytes or depth == innermost:
                break
        iterations = 1
        for loop in order[:depth]:
            iterations *= self._loops[loop].extent
        looked_up = [self._region.operators[user].elements for user in users if self._region.operators[user].gathers]
        return min(held * iterations, sum(looked_up) * width) if looked_up else held * iterations

    def _is_recomputed(self, value: int, outer: tuple[int, ...]) -> bool:
        key = (value, frozenset(outer))
        if key not in self._recomputed:
            self._recomputed[key] = is_recomputed(self._relations[value], outer)
        return self._recomputed[key]

    def _points_of(self, value: int, outer: tuple[int, ...]) -> int:
        key = (value, frozenset(outer))
        if key not in self._points:
            self._points[key] = points(self._relations[value], outer)
        return self._points[key]

