"""Which Subnets may be proposed: those of the space that meet every limit of the budget and are not yet in the study."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Collection, Iterator, Sequence

from bertnas_jax.space import SearchSpace, Subnet

LISTED = 20_000  # spaces up to this size are priced whole when a sampler runs dry
_WALKS = 200  # descents into the budget that are tried in larger ones


class InfeasibleBudget(ValueError):
    """No Subnet of the space meets the budget."""


class NothingLeft(ValueError):
    """Every Subnet that the sampler could propose is in the study already."""


@dataclasses.dataclass(frozen=True, eq=False)
class Ceiling:
    """A cost that no Subnet may exceed: of what, in which unit, and what a Subnet's is."""

    name: str
    unit: str
    most: float
    cost_of: Callable[[Subnet], float]


class Limits:
    """The space, the price of its Subnets in ms, each asked for once, the budget it must be under, and what else is limited.

    `latency_ms_of` is what accuracy is traded against; of a budget of sizes alone it and its limit are in another `unit`.
    """

    def __init__(
        self,
        space: SearchSpace,
        latency_ms_of: Callable[[Subnet], float],
        budget_ms: float,
        ceilings: Sequence[Ceiling] = (),
        unit: str = "ms",
    ):
        self.space, self.budget_ms, self.ceilings, self.unit = space, budget_ms, tuple(ceilings), unit
        self._latency_ms_of = latency_ms_of
        self._prices: dict[Subnet, float] = {}
        self._listed: tuple[Subnet, ...] | None = None

    def price_ms(self, subnet: Subnet) -> float:
        if subnet not in self._prices:
            self._prices[subnet] = self._latency_ms_of(subnet)
        return self._prices[subnet]

    def excess(self, subnet: Subnet) -> float:
        """The largest of a Subnet's costs, each as a share of what is allowed."""
        return max([self.price_ms(subnet) / self.budget_ms, *(one.cost_of(subnet) / one.most for one in self.ceilings)])

    def allows(self, subnet: Subnet) -> bool:
        return self.price_ms(subnet) <= self.budget_ms and all(one.cost_of(subnet) <= one.most for one in self.ceilings)

    @property
    def is_listable(self) -> bool:
        return self.space.count <= LISTED

    def listed(self) -> tuple[Subnet, ...]:
        """Every Subnet that meets the budget, of a space that is listable."""
        if self._listed is None:
            self._listed = tuple(subnet for subnet in self.space.enumerate(LISTED) if self.allows(subnet))
        return self._listed

    def any_left(self, seen: Collection[Subnet], rng: random.Random) -> Subnet:
        """A Subnet that meets the budget and is not among those seen: of all of them where they can be listed, else by descents.

        Raises:
          InfeasibleBudget: none meets the budget; names the nearest.
          NothingLeft: all that do are seen.
        """
        left = [subnet for subnet in self.listed() if subnet not in seen] if self.is_listable else self._found(seen, rng)
        if left:
            return rng.choice(left)
        nearest = min(self._prices, key=self.excess)
        if not self.allows(nearest):
            raise InfeasibleBudget(
                f"the budget must be met by some subnet, got {self.told()} and {self.told(nearest)} for the nearest "
                f"of the {len(self._prices)} that were priced, {nearest.describe()}; allow more or widen the space downwards"
            )
        raise NothingLeft(
            f"a subnet under {self.told()} must be left to propose, got {len(seen)} proposed and none beside them; "
            "widen the space or ask for fewer evaluations"
        )

    def told(self, subnet: Subnet | None = None) -> str:
        """What is allowed, or what a Subnet costs, limit by limit."""
        price_ms = self.budget_ms if subnet is None else self.price_ms(subnet)
        others = (f"{one.most if subnet is None else one.cost_of(subnet):,.2f} {one.unit} ({one.name})" for one in self.ceilings)
        return ", ".join([f"{price_ms:,.2f} {self.unit}", *others])

    def _found(self, seen: Collection[Subnet], rng: random.Random) -> list[Subnet]:
        """One unseen Subnet that meets the budget, or none: random ones made faster step by step, then steps beside them."""
        for _ in range(_WALKS):
            subnet = self.made_faster(self.space.sample(rng), rng)
            for one in (subnet, *self.space.neighbours(subnet)):
                if self.allows(one) and one not in seen:
                    return [one]
        return []

    def made_faster(self, subnet: Subnet, rng: random.Random) -> Subnet:
        """The Subnet after random steps, each to a neighbour that exceeds the budget by less, until it meets it or has none."""
        while not self.allows(subnet):
            faster = [one for one in self.space.neighbours(subnet) if self.excess(one) < self.excess(subnet)]
            if not faster:
                break
            subnet = rng.choice(faster)
        return subnet

    def draws(self, rng: random.Random) -> Iterator[Subnet]:
        """Random Subnets that meet the budget, for ever unless hardly any does: of draws over it, one in eight is made faster."""
        while True:
            subnet = self.space.sample(rng)
            if not self.allows(subnet) and rng.random() < 1 / 8:
                subnet = self.made_faster(subnet, rng)
            yield subnet
