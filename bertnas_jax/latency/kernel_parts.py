"""Which kernels a Subnet runs, from those of a few one- and two-block Subnets: no lowering per Subnet.

A kernel of a block is sized by (hidden, heads) or by (hidden, ffn), never by heads and ffn at
once, so the kernels of a Subnet are those outside its blocks plus, block by block, those of a
block of its heads plus what its ffn changes.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping

from bertnas_jax.space import Layer, SearchSpace, Subnet

# Calls of each kernel, by signature; a difference of two has negative counts too.
KernelCounts = Counter[str]


@dataclasses.dataclass(frozen=True)
class KernelParts:
    """The pieces the kernels of a Subnet are the sum of.

    `outside` by hidden: embeddings, pooling, classifier. `blocks` by (hidden, heads): a block of
    the first ffn choice. `ffn_changes` by (hidden, ffn): what another ffn replaces in a block.
    """

    head_dim: int
    outside: Mapping[int, KernelCounts]
    blocks: Mapping[tuple[int, int], KernelCounts]
    ffn_changes: Mapping[tuple[int, int], KernelCounts]

    def of(self, subnet: Subnet) -> tuple[KernelCounts, ...]:
        """The pieces of a Subnet.

        Raises:
          ValueError: the parts were taken from a space without one of its sizes.
        """
        if subnet.head_dim != self.head_dim or subnet.hidden not in self.outside:
            raise ValueError(
                f"subnet must have head_dim {self.head_dim} and a hidden of {tuple(self.outside)}, got {subnet.describe()}; "
                "fill a table of its space"
            )
        pieces = [self.outside[subnet.hidden]]
        for layer in subnet.layers:
            for name, parts, key in (("heads", self.blocks, layer.heads), ("ffn", self.ffn_changes, layer.ffn)):
                if (subnet.hidden, key) not in parts:
                    known = tuple(size for hidden, size in parts if hidden == subnet.hidden)
                    raise ValueError(f"{name} must be one of {known}, got {key} in {subnet.describe()}; fill a table of its space")
                pieces.append(parts[subnet.hidden, key])
        return tuple(pieces)

    def kernels(self, subnet: Subnet) -> KernelCounts:
        """The kernels of a Subnet with how often each is called."""
        total: KernelCounts = Counter()
        for piece in self.of(subnet):
            total.update(piece)  # adds, negative counts included
        return _without_zeros(total)


def decompose(space: SearchSpace, kernels_of: Callable[[Subnet], KernelCounts]) -> KernelParts:
    """The parts of every Subnet of the space; `kernels_of` lowers a Subnet and lists its kernels.

    It is called once per hidden for each heads and each ffn choice and twice more.

    Raises:
      ValueError: the kernels of a Subnet of unequal blocks are not the sum of its parts.
    """
    first_heads, first_ffn = space.heads[0], space.ffns[0]
    outside, blocks, ffn_changes = {}, {}, {}
    for hidden in space.hiddens:

        def lowered(*layers: tuple[int, int], hidden: int = hidden) -> KernelCounts:
            return kernels_of(Subnet(hidden, space.teacher.head_dim, tuple(Layer(*sizes) for sizes in layers)))

        single = lowered((first_heads, first_ffn))
        block = _difference(lowered((first_heads, first_ffn), (first_heads, first_ffn)), single)
        outside[hidden] = _difference(single, block)
        for heads in space.heads:
            change = _difference(lowered((heads, first_ffn)), single) if heads != first_heads else Counter()
            blocks[hidden, heads] = _sum(block, change)
        for ffn in space.ffns:
            ffn_changes[hidden, ffn] = _difference(lowered((first_heads, ffn)), single) if ffn != first_ffn else Counter()
    parts = KernelParts(space.teacher.head_dim, outside, blocks, ffn_changes)
    for hidden in space.hiddens:
        check_additive(parts, covering_subnet(space, hidden), kernels_of)
    return parts


def covering_subnet(space: SearchSpace, hidden: int) -> Subnet:
    """The shallowest Subnet whose blocks hold every heads and every ffn choice, larger ones deeper."""
    depth = max(len(space.heads), len(space.ffns))
    layers = (Layer(space.heads[min(i, len(space.heads) - 1)], space.ffns[min(i, len(space.ffns) - 1)]) for i in range(depth))
    return Subnet(hidden, space.teacher.head_dim, tuple(layers))


def check_additive(parts: KernelParts, subnet: Subnet, kernels_of: Callable[[Subnet], KernelCounts]) -> None:
    """Raises ValueError, naming the kernels, if the lowered Subnet's kernels are not the sum of its parts."""
    expected, summed = kernels_of(subnet), parts.kernels(subnet)
    if expected != summed:
        wrong = sorted(_difference(expected, summed))
        raise ValueError(
            f"the kernels of {subnet.describe()} must be the sum of its blocks' kernels, got {len(wrong)} that are not, e.g. {wrong[0]}; "
            "a fusion crosses the border of two blocks: price such Subnets by compiling them"
        )


def _without_zeros(counts: KernelCounts) -> KernelCounts:
    return Counter({signature: count for signature, count in counts.items() if count})


def _difference(left: KernelCounts, right: KernelCounts) -> KernelCounts:
    result = Counter(left)
    result.subtract(right)
    return _without_zeros(result)


def _sum(left: KernelCounts, right: KernelCounts) -> KernelCounts:
    result = Counter(left)
    result.update(right)
    return _without_zeros(result)
