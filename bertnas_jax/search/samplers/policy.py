"""A recurrent policy over Subnets: told which latency to aim at, it chooses a depth, then a hidden width, then heads and ffn of block after block."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int

from bertnas_jax.space import Layer, SearchSpace, Subnet

WIDTH = 32
LEARNING_RATE = 0.01  # of those tried on the Subnets of a CLINC150 supernet, from seeds that comparisons do not use
DEPTH, SIZES = 0, 1  # the phases: which choices are learnt
NO_CHOICE = -1e9  # a finite logit: the entropy of odds of 0 has no gradient at minus infinity
TARGETS = 12  # latencies that a Subnet may be asked for


class Policy(nnx.Module):
    """A GRU that reads the choice before and gives logits of the next.

    Choices are numbered [0, C) at each of the S = 2 + 2 x greatest depth steps; C is the most that any step has.
    """

    def __init__(self, space: SearchSpace, rngs: nnx.Rngs):
        menus = [space.depths, space.hiddens, *((space.heads, space.ffns) * space.depths[-1])]
        self.kinds = tuple(min(step, 2 + step % 2) for step in range(len(menus)))  # depth, hidden, heads, ffn
        self.sizes = tuple(len(menu) for menu in menus)
        most = max(self.sizes)
        self.embed = nnx.Embed(TARGETS + 4 * most, WIDTH, rngs=rngs)
        self.cell = nnx.GRUCell(WIDTH, WIDTH, rngs=rngs)
        self.heads = nnx.Linear(WIDTH, 4 * most, kernel_init=nnx.initializers.normal(0.01), rngs=rngs)

    def logits_after(self, carry: Float[Array, "B W"], before: Int[Array, " B"], step: int) -> tuple[Array, Array]:
        """The state and the logits [B, C] of this step, those of choices that it has not at NO_CHOICE."""
        carry, out = self.cell(carry, self.embed(before))
        most = max(self.sizes)
        logits = self.heads(out).reshape(-1, 4, most)[:, self.kinds[step]]
        return carry, jnp.where(jnp.arange(most)[None] < self.sizes[step], logits, NO_CHOICE)

    def run(self, pick: Callable[[int, Array], Array], targets: Int[Array, " B"]) -> None:
        """Step by step from the numbers of the targets: `pick(step, logits)` gives the choices [B] that the next step reads."""
        carry, before = jnp.zeros((len(targets), WIDTH)), targets
        for step, kind in enumerate(self.kinds):
            carry, logits = self.logits_after(carry, before, step)
            before = TARGETS + kind * max(self.sizes) + pick(step, logits)


@nnx.jit(static_argnums=(2,))
def draw(policy: Policy, key: Array, batch: int, target: Int[Array, ""]) -> Int[Array, "B S"]:
    """Choices of a batch of Subnets; those of blocks beyond a Subnet's depth are to be ignored."""
    chosen = []

    def pick(step, logits):
        chosen.append(jax.random.categorical(jax.random.fold_in(key, step), logits).astype(jnp.int32))
        return chosen[-1]

    policy.run(pick, jnp.full(batch, target))
    return jnp.stack(chosen, axis=1)


@dataclasses.dataclass(frozen=True)
class Lesson:
    """A Subnet, the target it is a lesson for, its advantage there, and what a nat of entropy is worth beside it."""

    subnet: Subnet
    target: int
    advantage: float
    bonus: float = 0.0


@dataclasses.dataclass(frozen=True)
class Lessons:
    """The choices of B Subnets by number, 1 for those that are learnt and 0 for others, the targets they are for, their advantages and bonuses."""

    choices: Int[Array, "B S"]
    used: Float[Array, "B S"]
    targets: Int[Array, " B"]
    advantages: Float[Array, " B"]
    bonuses: Float[Array, " B"]


jax.tree_util.register_dataclass(Lessons, ["choices", "used", "targets", "advantages", "bonuses"], [])


def batch_of(lessons: Sequence[Lesson], space: SearchSpace, phase: int, size: int) -> Lessons:
    """The lessons as arrays; those up to `size` that are not there teach nothing, so that one compilation serves any number."""
    padded = [*lessons, *[Lesson(space.smallest, 0, 0.0)] * (size - len(lessons))]
    return Lessons(
        jnp.asarray(np.array([numbered(one.subnet, space) for one in padded])),
        jnp.asarray(np.array([in_phase(one.subnet, space, phase) for one in padded])),
        jnp.asarray([one.target for one in padded], jnp.int32),
        jnp.asarray([one.advantage for one in padded], jnp.float32),
        jnp.asarray([one.bonus for one in padded], jnp.float32),
    )


def _loss(policy: Policy, lessons: Lessons) -> Array:
    terms = []

    def pick(step, logits):
        log_p = jax.nn.log_softmax(logits)
        entropies = -jnp.sum(jnp.exp(log_p) * log_p, axis=1)
        chosen = lessons.choices[:, step]
        gains = lessons.advantages * jnp.take_along_axis(log_p, chosen[:, None], axis=1)[:, 0] + lessons.bonuses * entropies
        terms.append(jnp.sum(lessons.used[:, step] * gains))
        return chosen

    policy.run(pick, lessons.targets)
    return -functools.reduce(jnp.add, terms)


@nnx.jit
def learn(policy: Policy, optimizer: nnx.Optimizer, lessons: Lessons) -> None:
    """One step of REINFORCE (Williams 1992, section 4) on the choices in use; an advantage that no draw was made for imitates."""
    optimizer.update(policy, nnx.grad(_loss)(policy, lessons))


@functools.cache
def _steps() -> optax.GradientTransformation:
    """Made once, so that `learn` is compiled once for a space."""
    return optax.chain(optax.clip_by_global_norm(1.0), optax.adam(LEARNING_RATE))


def new_policy(space: SearchSpace, seed: int) -> tuple[Policy, nnx.Optimizer]:
    """A policy that chooses about evenly, and its optimizer."""
    policy = Policy(space, nnx.Rngs(seed))
    return policy, nnx.Optimizer(policy, _steps(), wrt=nnx.Param)


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
