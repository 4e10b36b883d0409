"""A half of a block as stages over named values, so that its gradient is replayed from the values that were kept.

`jax.grad` of a choice between branches keeps the intermediates of every branch, taken or not. Here all branches keep
the same values, each at its own width in buffers of the widest; the gradient of a stage is `jax.vjp` at what it read,
and XLA drops the part of that forward pass that the gradient does not need.
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

    `module` is abstract. Of the values those between the half's projections are `inner` wide, `widest` in the widest
    branch; the others are `hidden` wide.
    """

    module: nnx.Module
    stages: Sequence[Stage]
    hidden: int
    inner: int
    widest: int

    @property
    def kept(self) -> tuple[str, ...]:
        """The values that are kept for the gradient."""
        return "input", *(name for stage in self.stages[:-1] for name in stage.writes)

    def forward(
        self, read: tuple[Parameters, Int[jax.Array, ""], jax.Array], carry: tuple[jax.Array, Values | None]
    ) -> tuple[jax.Array, Values | None]:
        """The half's output from its input; what the gradient needs is put into the stack of kept values, if there is one.

        `read` is the stacked parameters of all blocks, the block, and the mask of scores.
        """
        (stacked, block, mask), (x, kept) = read, carry
        values = {"input": x, "mask": mask}
        parameters = self._parameters(stacked, block)
        for stage in self.stages:
            written = self._apply(stage, parameters, *(values[name] for name in stage.reads))
            values |= dict(zip(stage.writes, written, strict=True))
        return values["output"], kept and {name: put_block(kept[name], values[name], block) for name in self.kept}

    @property
    def kept_widths(self) -> dict[str, int]:
        """The widest that each kept value is in any branch."""
        return {name: self.hidden if name in STREAM else self.widest for name in self.kept}

    def backward(
        self, read: tuple[Parameters, Int[jax.Array, ""], jax.Array, Values], carry: tuple[jax.Array, Parameters]
    ) -> tuple[jax.Array, Parameters]:
        """The gradient of the half's input from that of its output; the parameters' is added to the stack of all blocks'.

        `read` is that of `forward`, and the stack of kept values.
        """
        (stacked, block, mask, kept), (gradient, of_stacked) = read, carry
        values = {name: self._take(name, value, block) for name, value in kept.items()} | {"mask": mask}
        parameters = self._parameters(stacked, block)
        gradients = {"output": gradient}
        of_parameters = None
        for stage in reversed(self.stages):
            primals = tuple(values[name] for name in stage.reads)
            _, pull = jax.vjp(functools.partial(self._apply, stage), parameters, *primals)
            found, *of_reads = pull(tuple(gradients[name] for name in stage.writes))
            of_parameters = found if of_parameters is None else jax.tree.map(jnp.add, of_parameters, found)
            for name, value in zip(stage.reads, of_reads, strict=True):
                gradients[name] = gradients[name] + value if name in gradients else value
        return gradients["input"], jax.tree.map(lambda all, new: _add_to_block(all, new, block), of_stacked, of_parameters)

    def _take(self, name: str, stack: jax.Array, block: Int[jax.Array, ""]) -> jax.Array:
        return block_corner(stack, block, (*stack.shape[1:-1], self.hidden if name in STREAM else self.inner))

    def _apply(self, stage: Stage, parameters: Parameters, *values: jax.Array) -> tuple[jax.Array, ...]:
        module = nnx.clone(self.module)
        assign_parameters(module, jax.tree.map(lambda leaf: leaf.astype(values[0].dtype), parameters))
        return stage.run(module, *values)

    def _parameters(self, stacked: Parameters, block: Int[jax.Array, ""]) -> Parameters:
        return jax.tree.map(lambda leaf, cut: block_corner(leaf, block, cut.shape), stacked, self._shapes())

    def _shapes(self) -> Parameters:
        return nnx.to_pure_dict(nnx.state(self.module, nnx.Param))


def block_corner(stack: jax.Array, block: Int[jax.Array, ""], shape: tuple[int, ...]) -> jax.Array:
    """The leading corner of a block's part of a stack."""
    return jax.lax.dynamic_slice(stack, _corner_start(block, shape), (1, *shape))[0]


def put_block(stack: jax.Array, new: jax.Array, block: Int[jax.Array, ""]) -> jax.Array:
    """The stack with `new` in the leading corner of a block's part."""
    return jax.lax.dynamic_update_slice(stack, new[None], _corner_start(block, new.shape))


def _add_to_block(stack: jax.Array, new: jax.Array, block: Int[jax.Array, ""]) -> jax.Array:
    return put_block(stack, block_corner(stack, block, new.shape) + new, block)


def _corner_start(block: Int[jax.Array, ""], shape: tuple[int, ...]) -> tuple[jax.Array, ...]:
    return (block, *[jnp.zeros((), block.dtype)] * len(shape))
