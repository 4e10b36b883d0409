"""A recurrent policy over Subnets: it chooses a depth, then a hidden width, then heads and ffn of block after block."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from bertnas_jax.space import Layer, SearchSpace, Subnet

WIDTH = 32
LEARNING_RATE = 0.03  # found on a made-up table; 200 evaluations leave no time for the small steps of longer searches
DEPTH, SIZES = 0, 1  # the phases: which choices are learnt


class Policy(nnx.Module):
    """A GRU that reads the choice before and gives logits of the next.

    Choices are numbered [0, C) at each of the S = 2 + 2 x greatest depth steps; C is the most that any step has.
    """

    def __init__(self, space: SearchSpace, rngs: nnx.Rngs):
        menus = [space.depths, space.hiddens, *((space.heads, space.ffns) * space.depths[-1])]
        self.kinds = tuple(min(step, 2 + step % 2) for step in range(len(menus)))  # depth, hidden, heads, ffn
        self.sizes = tuple(len(menu) for menu in menus)
        most = max(self.sizes)
        self.embed = nnx.Embed(1 + 4 * most, WIDTH, rngs=rngs)
        self.cell = nnx.GRUCell(WIDTH, WIDTH, rngs=rngs)
        self.heads = nnx.Linear(WIDTH, 4 * most, kernel_init=nnx.initializers.normal(0.01), rngs=rngs)

    def logits_after(self, carry: Float[Array, "B W"], before: Int[Array, " B"], step: int) -> tuple[Array, Array]:
        """The state and the logits [B, C] of this step, those of choices that it has not at -inf."""
        carry, out = self.cell(carry, self.embed(before))
        most = max(self.sizes)
        logits = self.heads(out).reshape(-1, 4, most)[:, self.kinds[step]]
        return carry, jnp.where(jnp.arange(most)[None] < self.sizes[step], logits, -jnp.inf)

    def run(self, pick, batch: int) -> None:
        """Step by step: `pick(step, logits)` gives the choices [B] that the next step reads."""
        carry, before = jnp.zeros((batch, WIDTH)), jnp.zeros(batch, jnp.int32)
        for step, kind in enumerate(self.kinds):
            carry, logits = self.logits_after(carry, before, step)
            before = 1 + kind * max(self.sizes) + pick(step, logits)


@nnx.jit(static_argnums=(2,))
def draw(policy: Policy, key: Array, batch: int) -> Int[Array, "B S"]:
    """Choices of a batch of Subnets; those of blocks beyond a Subnet's depth are to be ignored."""
    chosen = []

    def pick(step, logits):
        chosen.append(jax.random.categorical(jax.random.fold_in(key, step), logits).astype(jnp.int32))
        return chosen[-1]

    policy.run(pick, batch)
    return jnp.stack(chosen, axis=1)


def _loss(policy: Policy, choices: Int[Array, " S"], used: Float[Array, " S"], advantage: Array, entropy_bonus: Array) -> Array:
    terms = []

    def pick(step, logits):
        log_p = jax.nn.log_softmax(logits[0])
        entropy = -jnp.sum(jnp.where(jnp.isfinite(log_p), jnp.exp(log_p) * log_p, 0.0))
        terms.append(used[step] * (advantage * log_p[choices[step]] + entropy_bonus * entropy))
        return choices[step][None]

    policy.run(pick, 1)
    return -functools.reduce(jnp.add, terms)


@nnx.jit
def learn(
    policy: Policy, optimizer: nnx.Optimizer, choices: Int[Array, " S"], used: Float[Array, " S"], advantage: Array, entropy_bonus: Array
) -> None:
    """One step of REINFORCE (Williams 1992, equation 11) on the choices in use; the bonus is per nat of a choice's entropy."""
    optimizer.update(policy, nnx.grad(_loss)(policy, choices, used, advantage, entropy_bonus))


def new_policy(space: SearchSpace, seed: int) -> tuple[Policy, nnx.Optimizer]:
    """A policy that chooses about evenly, and its optimizer."""
    policy = Policy(space, nnx.Rngs(seed))
    return policy, nnx.Optimizer(policy, optax.chain(optax.clip_by_global_norm(1.0), optax.adam(LEARNING_RATE)), wrt=nnx.Param)


def numbered(subnet: Subnet, space: SearchSpace) -> Int[np.ndarray, " S"]:
    """A Subnet's choices; 0 for blocks that it lacks."""
    blocks = [number for layer in subnet.layers for number in (space.heads.index(layer.heads), space.ffns.index(layer.ffn))]
    blocks += [0] * (2 * (space.depths[-1] - subnet.depth))
    return np.array([space.depths.index(subnet.depth), space.hiddens.index(subnet.hidden), *blocks], np.int32)


def named(choices: Sequence[int], space: SearchSpace) -> Subnet:
    """The Subnet of choices by number."""
    depth, sizes = space.depths[choices[0]], choices[2:]
    layers = tuple(Layer(space.heads[sizes[2 * i]], space.ffns[sizes[2 * i + 1]]) for i in range(depth))
    return Subnet(space.hiddens[choices[1]], space.teacher.head_dim, layers)


def in_phase(subnet: Subnet, space: SearchSpace, phase: int) -> Float[np.ndarray, " S"]:
    """1 for the choices that the phase learns: the depth, or the sizes of what is there."""
    steps = np.arange(2 + 2 * space.depths[-1])
    learnt = steps == 0 if phase == DEPTH else (steps >= 1) & (steps < 2 + 2 * subnet.depth)
    return learnt.astype(np.float32)
