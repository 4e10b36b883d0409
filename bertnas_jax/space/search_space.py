"""The set of Subnets a search may return, and the moves between them."""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Iterator

from bertnas_jax.space.subnet import Layer, Subnet

KEEP_RULES = ("first", "even", "importance")


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """Every Subnet with a depth, hidden width, and per-block heads and ffn from these choices.

    `teacher` has the sizes of the shared weights. `keep` says which of its blocks a shallower
    Subnet is made of: "first" the lowest ones, "even" evenly spaced ones starting with the first,
    "importance" the first ones of `keep_order`. Blocks always run in their natural order. While
    `keep_order` is not yet known the space says what Subnets cost, but not of which blocks they are.

    Raises:
      ValueError: a list of choices is empty, unsorted, or exceeds the teacher, or `keep_order` is no
        order of its blocks or not asked for.
    """

    teacher: Subnet
    depths: tuple[int, ...]
    hiddens: tuple[int, ...]
    heads: tuple[int, ...]
    ffns: tuple[int, ...]
    keep: str = "first"
    keep_order: tuple[int, ...] = ()

    def __post_init__(self):
        limits = {
            "depths": self.teacher.depth,
            "hiddens": self.teacher.hidden,
            "heads": min(layer.heads for layer in self.teacher.layers),
            "ffns": min(layer.ffn for layer in self.teacher.layers),
        }
        for name, limit in limits.items():
            choices = getattr(self, name)
            if not choices or list(choices) != sorted(set(choices)) or choices[0] < 1:
                raise ValueError(f"{name} must be increasing positive integers, got {choices}; list each choice once, e.g. (1, 2)")
            if choices[-1] > limit:
                raise ValueError(f"{name} must not exceed the checkpoint's {limit}, got {choices}; drop what is larger")
        if self.keep not in KEEP_RULES:
            raise ValueError(f"keep must be one of {KEEP_RULES}, got {self.keep!r}; 'first' keeps the lowest blocks")
        if self.keep_order and self.keep != "importance":
            raise ValueError(f"keep must be 'importance' for a keep_order, got {self.keep!r} with {self.keep_order}; leave it empty")
        if self.keep_order and sorted(self.keep_order) != list(range(self.teacher.depth)):
            raise ValueError(
                f"keep_order must name each of the {self.teacher.depth} blocks once, counted from 0, got {self.keep_order}; "
                "give them most important first"
            )

    @property
    def largest(self) -> Subnet:
        return self._uniform(-1)

    @property
    def smallest(self) -> Subnet:
        return self._uniform(0)

    def _uniform(self, position: int) -> Subnet:
        layer = Layer(self.heads[position], self.ffns[position])
        return Subnet(self.hiddens[position], self.teacher.head_dim, (layer,) * self.depths[position])

    def kept_layers(self, depth: int) -> tuple[int, ...]:
        """Which of the teacher's blocks, counted from 0, a Subnet of this depth is made of."""
        if not 1 <= depth <= self.teacher.depth:
            raise ValueError(f"depth must be 1 to {self.teacher.depth}, got {depth}; the checkpoint has no more blocks")
        if self.keep == "first" or depth == self.teacher.depth:
            return tuple(range(depth))
        if self.keep == "even":
            return tuple(i * self.teacher.depth // depth for i in range(depth))
        if not self.keep_order:
            raise ValueError("keep_order must be known for keep='importance', got (); measure it with settle_layers")
        return tuple(sorted(self.keep_order[:depth]))

    def subnet_fields(self, subnet: Subnet) -> dict:
        """The fields of a subnet.json: the sizes, and which of the teacher's blocks they are the sizes of."""
        return dataclasses.asdict(subnet) | {"kept_layers": list(self.kept_layers(subnet.depth))}

    @property
    def lacks_order(self) -> bool:
        """True if some Subnet's blocks are not known before a `keep_order` is."""
        return self.keep == "importance" and not self.keep_order and self.depths != (self.teacher.depth,)

    def __contains__(self, subnet: Subnet) -> bool:
        return (
            subnet.head_dim == self.teacher.head_dim
            and subnet.depth in self.depths
            and subnet.hidden in self.hiddens
            and all(layer.heads in self.heads and layer.ffn in self.ffns for layer in subnet.layers)
        )

    def check(self, subnet: Subnet) -> None:
        """Raises ValueError, naming the choices, if the Subnet is not of this space."""
        if subnet not in self:
            raise ValueError(
                f"subnet must be of the search space, got {subnet.describe()}; choose depth from {self.depths}, hidden from "
                f"{self.hiddens}, heads from {self.heads}, ffn from {self.ffns}, head_dim {self.teacher.head_dim}"
            )

    @property
    def count(self) -> int:
        """How many Subnets there are."""
        per_layer = len(self.heads) * len(self.ffns)
        return len(self.hiddens) * sum(per_layer**depth for depth in self.depths)

    def enumerate(self, limit: int = 1_000_000) -> Iterator[Subnet]:
        """Every Subnet, smallest depth first.

        Raises:
          ValueError: there are more than `limit`.
        """
        if self.count > limit:
            raise ValueError(f"the space must hold at most {limit} Subnets to be enumerated, got {self.count}; sample it instead")
        blocks = [Layer(heads, ffn) for heads in self.heads for ffn in self.ffns]
        for depth, hidden in itertools.product(self.depths, self.hiddens):
            for layers in itertools.product(blocks, repeat=depth):
                yield Subnet(hidden, self.teacher.head_dim, layers)

    def sample(self, rng: random.Random, depth: int | None = None) -> Subnet:
        """A Subnet drawn choice by choice: depth, unless it is given, and hidden, then heads and ffn of each block."""
        depth = rng.choice(self.depths) if depth is None else depth
        hidden = rng.choice(self.hiddens)
        return Subnet(hidden, self.teacher.head_dim, tuple(self._sample_layer(rng) for _ in range(depth)))

    def _sample_layer(self, rng: random.Random) -> Layer:
        return Layer(rng.choice(self.heads), rng.choice(self.ffns))

    def mutate(self, subnet: Subnet, rng: random.Random, rate: float = 0.2) -> Subnet:
        """The Subnet with each choice redrawn with probability `rate`."""
        depth = rng.choice(self.depths) if rng.random() < rate else subnet.depth
        hidden = rng.choice(self.hiddens) if rng.random() < rate else subnet.hidden
        layers = [self._mutate_layer(layer, rng, rate) for layer in subnet.layers[:depth]]
        layers += [self._sample_layer(rng) for _ in range(depth - len(layers))]
        return Subnet(hidden, subnet.head_dim, tuple(layers))

    def _mutate_layer(self, layer: Layer, rng: random.Random, rate: float) -> Layer:
        heads = rng.choice(self.heads) if rng.random() < rate else layer.heads
        ffn = rng.choice(self.ffns) if rng.random() < rate else layer.ffn
        return Layer(heads, ffn)

    def crossover(self, first: Subnet, second: Subnet, rng: random.Random) -> Subnet:
        """A child with the depth and hidden width of either parent and each block from one of them."""
        longer, shorter = sorted((first, second), key=lambda parent: -parent.depth)
        depth = rng.choice((first.depth, second.depth))
        layers = [
            rng.choice((longer, shorter)).layers[i] if i < shorter.depth else longer.layers[i] for i in range(depth)
        ]
        return Subnet(rng.choice((first.hidden, second.hidden)), first.head_dim, tuple(layers))

    def neighbours(self, subnet: Subnet) -> tuple[Subnet, ...]:
        """The Subnets one step of one choice away (a depth step repeats or drops the last block)."""
        found = []
        for depth in _adjacent(self.depths, subnet.depth):
            layers = (subnet.layers + subnet.layers[-1:] * depth)[:depth]
            found.append(dataclasses.replace(subnet, layers=layers))
        found += [dataclasses.replace(subnet, hidden=hidden) for hidden in _adjacent(self.hiddens, subnet.hidden)]
        for i, layer in enumerate(subnet.layers):
            changed = [dataclasses.replace(layer, heads=heads) for heads in _adjacent(self.heads, layer.heads)]
            changed += [dataclasses.replace(layer, ffn=ffn) for ffn in _adjacent(self.ffns, layer.ffn)]
            found += [
                dataclasses.replace(subnet, layers=(*subnet.layers[:i], new, *subnet.layers[i + 1 :])) for new in changed
            ]
        return tuple(found)


def _adjacent(choices: tuple[int, ...], value: int) -> list[int]:
    position = choices.index(value)
    return [choices[i] for i in (position - 1, position + 1) if 0 <= i < len(choices)]
