"""What Subnets cost, in any unit that adds up over their blocks, one by one and as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from bertnas_jax.latency.simulate import PriceTable
from bertnas_jax.space import Layer, SearchSpace, Subnet


@dataclasses.dataclass(frozen=True, eq=False)
class Population:
    """Subnets of one depth by number: which hidden each has, and which (heads, ffn) each of its blocks, heads first."""

    hidden: Int[np.ndarray, " p"]
    blocks: Int[np.ndarray, "depth p"]

    @classmethod
    def every(cls, space: SearchSpace, depth: int) -> Population:
        """All of that depth."""
        kinds = len(space.heads) * len(space.ffns)
        hidden, *blocks = np.unravel_index(np.arange(count_of(space, depth)), (len(space.hiddens), *[kinds] * depth))
        return cls(hidden, np.array(blocks))

    @classmethod
    def draw(cls, space: SearchSpace, depth: int, size: int, rng: np.random.Generator) -> Population:
        """As many of that depth, choice by choice at random."""
        kinds = len(space.heads) * len(space.ffns)
        return cls(rng.integers(len(space.hiddens), size=size, dtype=np.int32), rng.integers(kinds, size=(depth, size), dtype=np.int32))

    def subnet(self, space: SearchSpace, index: int) -> Subnet:
        """One of them."""
        layers = (Layer(space.heads[code // len(space.ffns)], space.ffns[code % len(space.ffns)]) for code in self.blocks[:, index])
        return Subnet(space.hiddens[self.hidden[index]], space.teacher.head_dim, tuple(layers))


def count_of(space: SearchSpace, depth: int) -> int:
    """How many Subnets of the space have that depth."""
    return len(space.hiddens) * (len(space.heads) * len(space.ffns)) ** depth


@dataclasses.dataclass(frozen=True, eq=False)
class CostTable:
    """Costs outside the blocks by hidden, and by hidden and (heads, ffn) of a block, heads first."""

    space: SearchSpace
    outside: Float[np.ndarray, " hiddens"]
    blocks: Float[np.ndarray, "hiddens blocks"]

    @classmethod
    def of_prices(cls, table: PriceTable) -> CostTable:
        """Milliseconds by the simulator."""
        return cls(table.space, table.outside_ms, table.blocks_ms[:, :-1])  # the last is a block that is not there

    @classmethod
    def of_sums(cls, space: SearchSpace, cost_of: Callable[[Subnet], float]) -> CostTable:
        """The table of a cost that is a sum over blocks: asked of one block of each kind, and of two of the first."""
        kinds = [Layer(heads, ffn) for heads in space.heads for ffn in space.ffns]

        def cost(hidden: int, *layers: Layer) -> float:
            return cost_of(Subnet(hidden, space.teacher.head_dim, layers))

        outside = np.array([2 * cost(hidden, kinds[0]) - cost(hidden, kinds[0], kinds[0]) for hidden in space.hiddens], float)
        single = np.array([[cost(hidden, layer) for layer in kinds] for hidden in space.hiddens], float)
        return cls(space, outside, single - outside[:, None])

    def of(self, subnet: Subnet) -> float:
        """What a Subnet costs.

        Raises:
          ValueError: it is not of the space.
        """
        space = self.space
        space.check(subnet)
        row = space.hiddens.index(subnet.hidden)
        total = self.outside[row]
        for layer in subnet.layers:
            total = total + self.blocks[row, space.heads.index(layer.heads) * len(space.ffns) + space.ffns.index(layer.ffn)]
        return float(total)

    def of_all(self, population: Population) -> Float[np.ndarray, " p"]:
        """What each costs, to the last bit what `of` says."""
        flat, start = self.blocks.ravel(), population.hidden * self.blocks.shape[1]
        total = self.outside[population.hidden]
        for block in population.blocks:  # a block at a time: the sums stay in the cache
            total += flat[start + block]
        return total

    def cheapest(self) -> Subnet:
        """The Subnet that costs least."""
        found = []
        for row, hidden in enumerate(self.space.hiddens):
            heads, ffn = divmod(int(self.blocks[row].argmin()), len(self.space.ffns))
            layer = Layer(self.space.heads[heads], self.space.ffns[ffn])
            found += [Subnet(hidden, self.space.teacher.head_dim, (layer,) * depth) for depth in self.space.depths]
        return min(found, key=self.of)
