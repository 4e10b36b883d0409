"""A half of a block as stages over named values, so that its gradient is replayed from the values that were kept.

`jax.grad` of a `lax.switch` keeps the intermediates of every branch, taken or not. Here all branches keep
the same values, padded to the widest; the gradient of a stage is `jax.vjp` at what it read, and XLA drops
the part of that forward pass that the gradient does not need.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Int

from bertnas_jax.model import Parameters, assign_parameters
from bertnas_jax.model.gelu import gelu
from bertnas_jax.supernet.sliced import pad_channels

Values = dict[str, jax.Array]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A part of a half: `run(module, *values it reads)` returns the values it writes."""

    run: Callable[..., tuple[jax.Array, ...]]
    reads: tuple[str, ...]
    writes: tuple[str, ...]


ATTENTION = (
    Stage(lambda half, x: half.self.project(x), ("input",), ("query", "key", "value")),
    Stage(lambda half, *values: (half.self.attend(*values),), ("query", "key", "value", "mask"), ("context",)),
    Stage(lambda half, context, x: (half.output.summed(context, x),), ("context", "input"), ("summed",)),
    Stage(lambda half, summed: (half.output.LayerNorm(summed),), ("summed",), ("output",)),
)
FEED_FORWARD = (
    Stage(lambda half, x: (half.intermediate.dense(x),), ("input",), ("wide",)),
    Stage(lambda half, wide, x: (half.output.summed(gelu(wide), x),), ("wide", "input"), ("summed",)),
    Stage(lambda half, summed: (half.output.LayerNorm(summed),), ("summed",), ("output",)),
)

STREAM = ("input", "summed", "output")  # the values that are as wide as the residual stream


@dataclasses.dataclass(frozen=True, eq=False)
class Branch:
    """A half at static widths, over the stacked parameters of all blocks.

    `module` is abstract. Of the values those between the half's projections are `inner` wide and padded to `padded`;
    the others are `hidden` wide.
    """

    module: nnx.Module
    stages: Sequence[Stage]
    hidden: int
    inner: int
    padded: int

    @property
    def kept(self) -> tuple[str, ...]:
        """The values that are kept for the gradient, besides the input."""
        return tuple(name for stage in self.stages[:-1] for name in stage.writes)

    def corner(self, stacked: Parameters) -> Parameters:
        """The stacked parameters of all blocks, cut to this branch's widths."""
        return jax.tree.map(lambda leaf, cut: leaf[(slice(None), *map(slice, cut.shape))], stacked, self._shapes())

    def forward(self, stacked: Parameters, block: Int[jax.Array, ""], x: jax.Array, mask: jax.Array) -> tuple[jax.Array, Values]:
        """The half's output and what it keeps for the gradient, padded."""
        values = {"input": x, "mask": mask}
        parameters = self._parameters(stacked, block)
        for stage in self.stages:
            written = self._apply(stage, parameters, *(values[name] for name in stage.reads))
            values |= dict(zip(stage.writes, written, strict=True))
        return values["output"], {name: pad_channels(values[name], self.kept_width(name)) for name in self.kept}

    def kept_width(self, name: str) -> int:
        """Channels that the value is padded to, the same for every branch of a half."""
        return self.hidden if name in STREAM else self.padded

    def backward(
        self, stacked: Parameters, block: Int[jax.Array, ""], x: jax.Array, mask: jax.Array, kept: Values, gradient: jax.Array
    ) -> tuple[Parameters, jax.Array]:
        """The gradients of the block's parameters and of the half's input, padded, from that of its output."""
        values = {"input": x, "mask": mask}
        values |= {name: value if name in STREAM else value[..., : self.inner] for name, value in kept.items()}
        parameters = self._parameters(stacked, block)
        gradients = {"output": gradient}
        of_parameters = jax.tree.map(jnp.zeros_like, parameters)
        for stage in reversed(self.stages):
            primals = tuple(values[name] for name in stage.reads)
            _, pull = jax.vjp(functools.partial(self._apply, stage), parameters, *primals)
            found, *of_reads = pull(tuple(gradients[name] for name in stage.writes))
            of_parameters = jax.tree.map(jnp.add, of_parameters, found)
            for name, value in zip(stage.reads, of_reads, strict=True):
                gradients[name] = gradients[name] + value if name in gradients else value
        return jax.tree.map(_pad_to_block, of_parameters, stacked), gradients["input"]

    def _apply(self, stage: Stage, parameters: Parameters, *values: jax.Array) -> tuple[jax.Array, ...]:
        module = nnx.clone(self.module)
        assign_parameters(module, jax.tree.map(lambda leaf: leaf.astype(values[0].dtype), parameters))
        return stage.run(module, *values)

    def _parameters(self, stacked: Parameters, block: Int[jax.Array, ""]) -> Parameters:
        return jax.tree.map(lambda leaf, cut: _block_corner(leaf, block, cut.shape), stacked, self._shapes())

    def _shapes(self) -> Parameters:
        return nnx.to_pure_dict(nnx.state(self.module, nnx.Param))


def _block_corner(leaf: jax.Array, block: Int[jax.Array, ""], shape: tuple[int, ...]) -> jax.Array:
    start = (block, *[jnp.zeros((), block.dtype)] * len(shape))
    return jax.lax.dynamic_slice(leaf, start, (1, *shape))[0]


def _pad_to_block(leaf: jax.Array, stacked: jax.Array) -> jax.Array:
    return jnp.pad(leaf, [(0, full - size) for size, full in zip(leaf.shape, stacked.shape[1:], strict=True)])
