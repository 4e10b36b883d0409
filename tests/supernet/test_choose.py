"""One of several functions runs, and updates its buffers where they are."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.supernet.choose import run_chosen

WIDTHS = (3, 5, 8)
STACK = (16, 64, 8)


def branch(width):
    def put(read, carry):
        (block, x), (total, stack) = read, carry
        new = x[:, :width] * width
        return total + new.sum(), jax.lax.dynamic_update_slice(stack, new[None], (block, jnp.int32(0), jnp.int32(0)))

    return put


def fill(choices, x, choose=run_chosen):
    """A stack of which every block is filled by the branch that is chosen for it."""

    def one(block, carry):
        return choose(choices[block], [branch(width) for width in WIDTHS], (block, x), carry)

    return jax.lax.fori_loop(0, STACK[0], one, (jnp.zeros(()), jnp.zeros(STACK)))


@pytest.fixture
def x():
    return jnp.asarray(np.random.default_rng(0).standard_normal(STACK[1:]), jnp.float32)


def test_it_is_a_switch(x):
    def switch(choice, branches, read, carry):
        return jax.lax.switch(choice, branches, read, carry)

    choices = jnp.asarray(np.random.default_rng(1).integers(0, 3, STACK[0]), jnp.int32)
    for one, other in zip(jax.jit(fill)(choices, x), fill(choices, x, switch), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_stack_is_not_copied(x):
    text = jax.jit(fill).lower(jnp.zeros(STACK[0], jnp.int32), x).compile().as_text()
    shape = ",".join(map(str, STACK))
    assert "while" in text and not re.search(rf"f32\[{shape}\]\S* copy\(", text)


def test_a_branch_that_is_not_chosen_does_not_run(x):
    seen = []

    def told(name):
        def run(read, carry):
            jax.debug.callback(lambda value: seen.append((name, float(value))), read.sum())
            return carry

        return run

    jax.block_until_ready(jax.jit(lambda choice: run_chosen(choice, [told("a"), told("b")], x, jnp.zeros(())))(jnp.int32(1)))
    jax.effects_barrier()
    assert [name for name, _ in seen] == ["b"]


def test_a_single_branch_is_called(x):
    assert run_chosen(jnp.int32(0), [lambda read, carry: read + carry], 1, 2) == 3
