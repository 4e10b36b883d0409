import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler.sink_division import sink_division
from tests.compiler.conftest import assert_same_on, simplified, trace

X = np.ones((1, 4, 8), np.float32)
E = np.ones((1, 4, 4), np.float32)


def test_a_division_of_rows_moves_behind_the_product():
    def before(e, v):
        return jnp.einsum("blm,bmh->blh", e / e.sum(-1, keepdims=True), v)

    def expected(e, v):
        total = e.sum(-1, keepdims=True)
        return jnp.einsum("blm,bmh->blh", e, v) / total

    tvm.ir.assert_structural_equal(simplified(sink_division(simplified(trace(before, E, X)))), simplified(trace(expected, E, X)))


@pytest.mark.parametrize(
    "program",
    [
        lambda e, v: jnp.einsum("blm,bmh->blh", e / jnp.sin(e), v),  # by a matrix
        lambda e, v: jnp.einsum("blm,bmh->blh", e, v / v.sum(-1, keepdims=True)),  # of the right operand
        lambda e, v: (e / e.sum(-1, keepdims=True)) @ np.ones((4, 3), np.float32),  # before weights
    ],
)
def test_anything_else_stays(program):
    before = simplified(trace(program, E, X))
    tvm.ir.assert_structural_equal(simplified(sink_division(before)), before)


@pytest.mark.slow
@given(st.lists(st.sampled_from(["attend", "sin", "divide"]), min_size=1, max_size=4), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_random_programs_compute_the_same(target, names, seed):
    def attend(x):
        scores = jnp.exp(jnp.einsum("bij,bkj->bik", x, x) / 8)
        return jnp.einsum("bik,bkj->bij", scores / scores.sum(-1, keepdims=True), x)

    steps = {"attend": attend, "sin": jnp.sin, "divide": lambda x: x / (1.0 + (x * x).sum(-1, keepdims=True))}

    def program(x):
        for name in names:
            x = steps[name](x)
        return x

    assert_same_on(target, sink_division, program, np.random.default_rng(seed).standard_normal(X.shape).astype(np.float32))
