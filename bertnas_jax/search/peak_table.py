"""What Subnets need while they run: weights that add up over the blocks, and an arena as large as the block that needs most."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from bertnas_jax.compiler.memory_plan import RunningMemory
from bertnas_jax.search.cost_table import CostTable, Population
from bertnas_jax.space import Layer, SearchSpace, Subnet

MB = 1e6


@dataclasses.dataclass(frozen=True, eq=False)
class PeakTable:
    """A cost that is a sum over blocks and, on top of it, the most that any one needs, by hidden and (heads, ffn), heads first."""

    sums: CostTable
    peaks: Float[np.ndarray, "hiddens blocks"]

    def of(self, subnet: Subnet) -> float:
        """What a Subnet costs.

        Raises:
          ValueError: it is not of the space.
        """
        space = self.sums.space
        total, row = self.sums.of(subnet), space.hiddens.index(subnet.hidden)
        kinds = [space.heads.index(layer.heads) * len(space.ffns) + space.ffns.index(layer.ffn) for layer in subnet.layers]
        return total + float(self.peaks[row, kinds].max())

    def of_all(self, population: Population) -> Float[np.ndarray, " p"]:
        """What each costs, to the last bit what `of` says."""
        flat, start = self.peaks.ravel(), population.hidden * self.peaks.shape[1]
        most = flat[start + population.blocks[0]]
        for block in population.blocks[1:]:
            np.maximum(most, flat[start + block], out=most)
        return self.sums.of_all(population) + most

    def cheapest(self) -> Subnet:
        """The Subnet that costs least: one of equal blocks, as of blocks that need no more than its most the lightest may be taken for all."""
        space = self.sums.space
        kinds = [Layer(heads, ffn) for heads in space.heads for ffn in space.ffns]
        head_dim = space.teacher.head_dim
        return min((Subnet(hidden, head_dim, (kind,) * depth) for hidden in space.hiddens for kind in kinds for depth in space.depths), key=self.of)


def fill_memory_table(space: SearchSpace, memory_of: Callable[[Subnet], RunningMemory], outside_bytes: Callable[[int], int]) -> PeakTable:
    """Megabytes (10^6) of every Subnet while it runs, from the memory plans of a few.

    Of a block attention needs what its heads, and the rest what its ffn says, never both at once: so `memory_of` is asked of
    one block of each heads and of each ffn, and `outside_bytes` of a hidden come on top of all its Subnets.

    Raises:
      ValueError: the plan of a Subnet of unequal blocks is not what its blocks say.
    """
    first = Layer(space.heads[0], space.ffns[0])
    known: dict[Subnet, RunningMemory] = {}

    def memory(hidden: int, *layers: Layer) -> RunningMemory:
        subnet = Subnet(hidden, space.teacher.head_dim, layers)
        if subnet not in known:
            known[subnet] = memory_of(subnet)
        return known[subnet]

    def weights(subnet: Subnet) -> float:
        changes = 0
        for layer in subnet.layers:
            for one in (Layer(layer.heads, first.ffn), Layer(first.heads, layer.ffn)):
                changes += memory(subnet.hidden, one).weight_bytes - memory(subnet.hidden, first).weight_bytes
        one, two = (memory(subnet.hidden, *(first,) * depth).weight_bytes for depth in (1, 2))
        return (one + (subnet.depth - 1) * (two - one) + changes + outside_bytes(subnet.hidden)) / MB

    def arena(hidden: int, layer: Layer) -> float:
        halves = (Layer(layer.heads, first.ffn), Layer(first.heads, layer.ffn))
        return max(memory(hidden, half).arena_bytes for half in halves) / MB

    peaks = [[arena(hidden, Layer(heads, ffn)) for heads in space.heads for ffn in space.ffns] for hidden in space.hiddens]
    table = PeakTable(CostTable.of_sums(space, weights), np.array(peaks))
    for hidden in space.hiddens:
        _check(table, _mixed(space, hidden), memory_of, outside_bytes(hidden))
    return table


def _mixed(space: SearchSpace, hidden: int) -> Subnet:
    """A Subnet with every choice of heads and ffn in turn, or as many as it has blocks."""
    wanted = max(len(space.heads), len(space.ffns))
    depth = min((depth for depth in space.depths if depth >= wanted), default=max(space.depths))
    layers = (Layer(space.heads[-1 - i % len(space.heads)], space.ffns[i % len(space.ffns)]) for i in range(depth))
    return Subnet(hidden, space.teacher.head_dim, tuple(layers))


def _check(table: PeakTable, subnet: Subnet, memory_of: Callable[[Subnet], RunningMemory], outside: int) -> None:
    planned, told = (memory_of(subnet).total_bytes + outside) / MB, table.of(subnet)
    if abs(told - planned) * MB > 0.5:
        raise ValueError(
            f"the memory of {subnet.describe()} must be the sum of its blocks' weights and the most that one needs, got {planned:,.6f} MB "
            f"planned and {told:,.6f} by its blocks; a fusion crosses the border of two blocks: leave --max_memory_mb out"
        )
