"""Every Subnet of a space priced by table: its blocks' halves are priced once, populations as arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from bertnas_jax.latency.kernel_parts import KernelCounts
from bertnas_jax.latency.simulate.tflite_operators import attention_operators, ffn_operators, outside_operators
from bertnas_jax.latency.simulate.work import Work
from bertnas_jax.space import SearchSpace, Subnet

if TYPE_CHECKING:
    from bertnas_jax.latency.simulate.compiled_kernels import CompiledKernels  # TVM takes seconds to load

PriceKernels = Callable[[Sequence[Work]], float]  # microseconds of all of them


@dataclasses.dataclass(frozen=True)
class PriceTable:
    """Milliseconds of the parts of Subnets: outside the blocks by hidden, and by hidden and (heads, ffn) of a block.

    The last column of `blocks_ms` is 0: a block that is not there.
    """

    space: SearchSpace
    outside_ms: Float[np.ndarray, " hiddens"]
    blocks_ms: Float[np.ndarray, "hiddens blocks"]

    def encode(self, subnets: Sequence[Subnet]) -> tuple[Int[np.ndarray, " p"], Int[np.ndarray, "p depth"]]:
        """Which hidden each Subnet has, and which (heads, ffn) each of its blocks, shallower ones filled up.

        Raises:
          ValueError: a Subnet is not of the space.
        """
        space, absent = self.space, self.blocks_ms.shape[1] - 1
        hidden, blocks = np.zeros(len(subnets), np.int32), np.full((len(subnets), max(space.depths)), absent, np.int32)
        for i, subnet in enumerate(subnets):
            space.check(subnet)
            hidden[i] = space.hiddens.index(subnet.hidden)
            codes = [space.heads.index(layer.heads) * len(space.ffns) + space.ffns.index(layer.ffn) for layer in subnet.layers]
            blocks[i, : len(codes)] = codes
        return hidden, blocks

    def price_ms(self, hidden: Int[np.ndarray, " p"], blocks: Int[np.ndarray, "p depth"]) -> Float[np.ndarray, " p"]:
        """The price of every encoded Subnet."""
        flat = self.blocks_ms.ravel()
        start = hidden * self.blocks_ms.shape[1]
        total = self.outside_ms[hidden]
        for block in blocks.T:  # a block at a time: the sums stay in the cache
            total = total + flat[start + block]
        return total


def tflite_price_table(space: SearchSpace, seq_len: int, dtype: str, price_us: PriceKernels) -> PriceTable:
    """The table of TensorFlow Lite's operators by any price of kernels that adds up."""
    head_dim = space.teacher.head_dim
    return _filled(
        space,
        lambda hidden: price_us(outside_operators(hidden, seq_len, dtype)),
        lambda hidden, heads: price_us(attention_operators(hidden, heads, head_dim, seq_len, dtype)),
        lambda hidden, ffn: price_us(ffn_operators(hidden, ffn, seq_len, dtype)),
    )


def compiled_price_table(space: SearchSpace, compiled: CompiledKernels, price_us: PriceKernels) -> PriceTable:
    """The same of our compiler's kernels: some one- and two-block Subnets are lowered, seconds each.

    Raises:
      ValueError: the kernels of a Subnet of unequal blocks are not the sum of its parts.
    """
    from bertnas_jax.latency.simulate.compiled_kernels import SpaceKernels  # TVM takes seconds to load

    kernels = SpaceKernels(space, compiled)
    call_us = {signature: price_us(works) for signature, works in kernels.works.items()}

    def sum_us(counts: KernelCounts) -> float:
        return sum(times * call_us[signature] for signature, times in counts.items())

    return _filled(
        space,
        lambda hidden: sum_us(kernels.parts.outside[hidden]),
        lambda hidden, heads: sum_us(kernels.parts.blocks[hidden, heads]),
        lambda hidden, ffn: sum_us(kernels.parts.ffn_changes[hidden, ffn]),
    )


def _filled(
    space: SearchSpace, outside_us: Callable[[int], float], heads_us: Callable[[int, int], float], ffn_us: Callable[[int, int], float]
) -> PriceTable:
    """The table of what a hidden costs outside the blocks, and of a block the sum of what its heads and its ffn cost."""
    blocks = []
    for hidden in space.hiddens:
        of_heads, of_ffn = [heads_us(hidden, heads) for heads in space.heads], [ffn_us(hidden, ffn) for ffn in space.ffns]
        blocks.append([*(first + second for first in of_heads for second in of_ffn), 0.0])
    return PriceTable(space, np.array([outside_us(hidden) for hidden in space.hiddens]) / 1e3, np.array(blocks) / 1e3)
