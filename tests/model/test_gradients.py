"""The gradients written by hand are those that JAX finds for the plain formulas."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.model.contraction import contract_last
from bertnas_jax.model.gelu import gelu

SIZES = st.integers(1, 5)


def plain_gelu(x):
    return 0.5 * x * (1.0 + jax.lax.erf(x * 0.5**0.5))


def check(ours, plain, *args, tolerance):
    """Values and gradients, those of a weighted sum so that no two outputs count alike."""
    weights = jnp.asarray(np.random.default_rng(1).standard_normal(plain(*args).shape), args[0].dtype)
    places = tuple(range(len(args)))
    found = jax.value_and_grad(lambda *args: (ours(*args) * weights).sum(), places)(*args)
    expected = jax.value_and_grad(lambda *args: (plain(*args) * weights).sum(), places)(*args)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance, rtol=tolerance)


@settings(deadline=None, max_examples=15)
@given(x=st.lists(st.floats(-12, 12, width=32), min_size=1, max_size=20))
def test_gelu(x):
    check(gelu, plain_gelu, jnp.asarray(x, jnp.float32), tolerance=2e-6)


@settings(deadline=None, max_examples=15)
@given(batch=st.lists(SIZES, max_size=2), inner=SIZES, outer=SIZES, seed=st.integers(0, 2**32))
def test_contraction(batch, inner, outer, seed):
    random = np.random.default_rng(seed)
    x, kernel = (jnp.asarray(random.standard_normal(shape), jnp.float32) for shape in ((*batch, inner), (inner, outer)))
    dimensions = (((len(batch),), (0,)), ((), ()))
    check(lambda x, kernel: contract_last(x, kernel, dimensions), jnp.matmul, x, kernel, tolerance=2e-5)


def test_another_contraction_is_refused():
    with pytest.raises(ValueError, match="last axis"):
        contract_last(jnp.ones((2, 2)), jnp.ones((2, 2)), (((0,), (0,)), ((), ())))
