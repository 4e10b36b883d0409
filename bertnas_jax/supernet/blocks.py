"""The active blocks of a Subnet, one after the other, with their gradient: both cost what the Subnet's depth is.

A loop over a number of blocks that is only known when it runs has no gradient in JAX; this one brings its own,
a loop in the other direction over what the first one kept.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from bertnas_jax.model import Parameters
from bertnas_jax.supernet.encode import SubnetCode
from bertnas_jax.supernet.features import Wanted
from bertnas_jax.supernet.stages import Branch

HALVES = ("attention", "feed_forward")


@struct.dataclass
class Stream:
    """The residual stream after the last block; and if wanted, else None, after each of T positions and before the last block.

    Positions of blocks that are not active hold zeros.
    """

    last: Float[Array, "B L D"]
    after_each: Float[Array, "T B L D"] | None
    before_last: Float[Array, "B L D"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class Blocks:
    """The blocks of a supernet at one hidden width: for each half its branches, in the order of the space's choices."""

    branches: dict[str, list[Branch]]
    wanted: Wanted

    def __call__(self, stacked: Parameters, x: Float[Array, "B L D"], mask: Float[Array, "B 1 1 L"], code: SubnetCode) -> Stream:
        """The stream through the Subnet's blocks; differentiable in `stacked` and `x`."""
        stacked = {half: self.branches[half][-1].corner(stacked[half]) for half in HALVES}

        @jax.custom_vjp
        def run(stacked, x, mask, code):
            return self._forward(stacked, x, mask, code, keep=False)[0]

        def forward(stacked, x, mask, code):
            stream, kept = self._forward(stacked, x, mask, code, keep=True)
            return stream, (stacked, mask, code, kept)

        run.defvjp(forward, self._backward)
        return run(stacked, x, mask, code)

    def _forward(self, stacked: Parameters, x: jax.Array, mask: jax.Array, code: SubnetCode, keep: bool) -> tuple[Stream, Any]:
        blocks, depth = _active(code)

        def one(step, carry):
            stream, kept = carry
            block = blocks[step]
            x, found = stream.last, {}
            for half in HALVES:
                run = [branch.forward for branch in self.branches[half]]
                found[half] = {"input": x}
                x, values = jax.lax.switch(_choice(half, code)[block], run, stacked[half], block, x, mask)
                found[half] |= values
            after_each = _put(stream.after_each, x, block) if self.wanted.hidden else None
            before_last = stream.last if self.wanted.projections else None
            return Stream(x, after_each, before_last), jax.tree.map(lambda all, new: _put(all, new, block), kept, found) if keep else None

        start = Stream(x, jnp.zeros((len(code.active), *x.shape), x.dtype) if self.wanted.hidden else None, x if self.wanted.projections else None)
        return jax.lax.fori_loop(0, depth, one, (start, self._empty(x, len(code.active)) if keep else None))

    def _backward(self, residuals: tuple, gradient: Stream) -> tuple:
        stacked, mask, code, kept = residuals
        blocks, depth = _active(code)

        def one(reverse, carry):
            of_stacked, of_x = carry
            step = depth - 1 - reverse
            block = blocks[step]
            if self.wanted.hidden:
                of_x = of_x + gradient.after_each[block]
            found = {}
            for half in reversed(HALVES):
                run = [_replay(branch) for branch in self.branches[half]]
                found[half], of_x = jax.lax.switch(_choice(half, code)[block], run, stacked[half], block, mask, kept[half], of_x)
            if self.wanted.projections:
                of_x = of_x + jnp.where(reverse == 0, gradient.before_last, 0)
            return jax.tree.map(lambda all, new: _put(all, new, block), of_stacked, found), of_x

        of_stacked, of_x = jax.lax.fori_loop(0, depth, one, (jax.tree.map(jnp.zeros_like, stacked), gradient.last))
        return of_stacked, of_x, None, None

    def _empty(self, x: jax.Array, num_blocks: int) -> dict[str, dict[str, jax.Array]]:
        def stack(branch: Branch, name: str) -> jax.Array:
            return jnp.zeros((num_blocks, *x.shape[:-1], branch.kept_width(name)), x.dtype)

        branches = {half: self.branches[half][0] for half in HALVES}
        return {half: {name: stack(branch, name) for name in ("input", *branch.kept)} for half, branch in branches.items()}


def _replay(branch: Branch):
    def backward(stacked, block, mask, kept, gradient):
        values = {name: _take(value, block) for name, value in kept.items()}
        return branch.backward(stacked, block, values.pop("input"), mask, values, gradient)

    return backward


def _choice(half: str, code: SubnetCode) -> Int[Array, " T"]:
    return code.heads if half == "attention" else code.ffn


def _active(code: SubnetCode) -> tuple[Int[Array, " T"], Int[Array, ""]]:
    """The positions of the active blocks in order, followed by the others; and how many are active."""
    return jnp.argsort(~code.active, stable=True).astype(jnp.int32), code.active.sum(dtype=jnp.int32)


def _put(all: jax.Array, new: jax.Array, block: Int[Array, ""]) -> jax.Array:
    return jax.lax.dynamic_update_index_in_dim(all, new, block, 0)


def _take(all: jax.Array, block: Int[Array, ""]) -> jax.Array:
    return jax.lax.dynamic_index_in_dim(all, block, 0, keepdims=False)
