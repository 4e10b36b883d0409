import random

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.search.samplers import policy as policies
from tests.search.made_up_space import SPACE


@pytest.fixture(autouse=True)
def strict_jax():
    """Lets dtypes promote: optax's Adam raises a float to an integer power."""
    with jax.numpy_rank_promotion("raise"):
        yield


@given(st.integers(0, 2**32))
def test_a_subnet_is_its_numbers(seed):
    subnet = SPACE.sample(random.Random(seed))
    assert policies.named(policies.numbered(subnet, SPACE).tolist(), SPACE) == subnet


@pytest.mark.slow
@pytest.mark.parametrize("phase", [policies.DEPTH, policies.SIZES])
def test_what_is_rewarded_is_drawn_more_often_for_its_target(phase):
    """Thirty rewards of 1: the choices in use are then drawn nearly always, where they were at odds of 1 in 2 to 4."""
    policy, optimizer = policies.new_policy(SPACE, 0)
    wanted = policies.numbered(SPACE.largest, SPACE)
    used = policies.in_phase(SPACE.largest, SPACE, phase)
    lessons = policies.Lessons(jnp.asarray(wanted)[None], jnp.asarray(used)[None], jnp.array([2]), jnp.array([1.0]), jnp.array([0.0]))
    for _ in range(30):
        policies.learn(policy, optimizer, lessons)
    drawn = np.asarray(policies.draw(policy, jax.random.key(0), 64, jnp.int32(2)))
    if phase == policies.SIZES:  # they are read after the depth, which is not learnt here
        drawn = drawn[drawn[:, 0] == wanted[0]]
    assert ((drawn == wanted) | (used == 0)).mean() > 0.9
