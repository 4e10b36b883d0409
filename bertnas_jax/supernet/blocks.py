"""The active blocks of a Subnet, one after the other, with their gradient: both cost what the Subnet's depth is.

A loop over a number of blocks that is only known when it runs has no gradient in JAX; this one brings its own,
a loop in the other direction over what the first one kept.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from bertnas_jax.model import Parameters
from bertnas_jax.supernet.choose import run_chosen
from bertnas_jax.supernet.encode import SubnetCode
from bertnas_jax.supernet.features import Wanted
from bertnas_jax.supernet.stages import Branch, Values, put_block

HALVES = ("attention", "feed_forward")
Kept = dict[str, Values | None]  # by half


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

    def __call__(
        self,
        stacked: Parameters,
        x: Float[Array, "B L D"],
        mask: Float[Array, "B 1 1 L"],
        code: SubnetCode,
        onto: Parameters | None = None,
    ) -> Stream:
        """The stream through the Subnet's blocks; differentiable in `stacked`, whose widths are the teacher's, and in `x`.

        What comes out as the gradient of `stacked` is `onto`, if that is given, with the gradient added to it: most
        of a stack is not the Subnet's, and costs nothing where it is left as it was.
        """

        @jax.custom_vjp
        def run(stacked, x, mask, code, onto):
            return self._forward(stacked, x, mask, code, keep=False)[0]

        def forward(stacked, x, mask, code, onto):
            stream, kept = self._forward(stacked, x, mask, code, keep=True)
            return stream, (stacked, mask, code, onto, kept)

        run.defvjp(forward, self._backward)
        return run(stacked, x, mask, code, onto)

    def _forward(self, stacked: Parameters, x: jax.Array, mask: jax.Array, code: SubnetCode, keep: bool) -> tuple[Stream, Kept]:
        blocks, depth = _active(code)

        def one(step, carry):
            stream, kept = carry
            block = blocks[step]
            x, found = stream.last, {}
            for half in HALVES:
                run = [branch.forward for branch in self.branches[half]]
                x, found[half] = run_chosen(_choice(half, code)[block], run, (stacked[half], block, mask), (x, kept[half]))
            after_each = put_block(stream.after_each, x, block) if self.wanted.hidden else None
            return Stream(x, after_each, stream.last if self.wanted.projections else None), found

        num_blocks = len(code.active)
        start = Stream(x, jnp.zeros((num_blocks, *x.shape), x.dtype) if self.wanted.hidden else None, x if self.wanted.projections else None)
        return jax.lax.fori_loop(0, depth, one, (start, self._empty(x, num_blocks) if keep else dict.fromkeys(HALVES)))

    def _empty(self, x: jax.Array, num_blocks: int) -> Kept:
        """Stacks for the kept values of all blocks; nothing is in them yet."""
        kept, spare = {half: {} for half in HALVES}, 0
        for half in HALVES:
            for name, width in self.branches[half][0].kept_widths.items():
                # XLA makes one of two empty arrays of one shape, and then a copy of it; spare blocks are never touched.
                kept[half][name] = jax.lax.empty((num_blocks + spare, *x.shape[:-1], width), x.dtype)
                spare += 1
        return kept

    def _backward(self, residuals: tuple, gradient: Stream) -> tuple:
        stacked, mask, code, onto, kept = residuals
        blocks, depth = _active(code)

        def one(reverse, carry):
            of_x, of_stacked = carry
            block, found = blocks[depth - 1 - reverse], {}
            if self.wanted.hidden:
                of_x = of_x + gradient.after_each[block]
            for half in reversed(HALVES):
                run, read = [branch.backward for branch in self.branches[half]], (stacked[half], block, mask, kept[half])
                of_x, found[half] = run_chosen(_choice(half, code)[block], run, read, (of_x, of_stacked[half]))
            if self.wanted.projections:
                of_x = of_x + jnp.where(reverse == 0, gradient.before_last, 0)
            return of_x, found

        onto = jax.tree.map(jnp.zeros_like, stacked) if onto is None else onto
        of_x, of_stacked = jax.lax.fori_loop(0, depth, one, (gradient.last, onto))
        return of_stacked, of_x, None, None, None


def _choice(half: str, code: SubnetCode) -> Int[Array, " T"]:
    return code.heads if half == "attention" else code.ffn


def _active(code: SubnetCode) -> tuple[Int[Array, " T"], Int[Array, ""]]:
    """The positions of the active blocks in order, followed by the others; and how many are active."""
    return jnp.argsort(~code.active, stable=True).astype(jnp.int32), code.active.sum(dtype=jnp.int32)
