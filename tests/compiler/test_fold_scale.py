import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler.fold_scale import fold_scale
from tests.compiler.conftest import assert_same_on, operators_of, simplified, trace

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1, 4, 6)).astype(np.float32)
W = RNG.standard_normal((6, 8)).astype(np.float32)
B = RNG.standard_normal((1, 1, 8)).astype(np.float32)

REWRITTEN = {
    "scaled product": (lambda x: (x @ W) * 0.25, lambda x: x @ (W * np.float32(0.25))),
    "scaled product with bias": (lambda x: (x @ W + B) * 0.25, lambda x: x @ (W * np.float32(0.25)) + B * np.float32(0.25)),
    "scaled operand": (lambda x: (x * 0.5) @ W, lambda x: x @ (W * np.float32(0.5))),
    "scaled factor of the operand": (lambda x: ((0.5 * x) * jnp.sin(x)) @ W, lambda x: (x * jnp.sin(x)) @ (W * np.float32(0.5))),
}
UNCHANGED = {
    "product used unscaled too": lambda x: (lambda y: y * 0.25 + y)(x @ W),
    "scale of two activations": lambda x: jnp.einsum("bij,bkj->bik", x, x) * 0.25,
    "scaled operand used elsewhere": lambda x: (lambda y: y @ W + y.sum(-1, keepdims=True))(x * 0.5),
    "scale by zero": lambda x: (x @ W) * 0.0,
    "scale by a row": lambda x: (x @ W) * B,
}


@pytest.mark.parametrize("name", REWRITTEN)
def test_a_factor_goes_into_the_weights(name):
    before, expected = REWRITTEN[name]
    tvm.ir.assert_structural_equal(simplified(fold_scale(simplified(trace(before, X)))), simplified(trace(expected, X)))


@pytest.mark.parametrize("name", UNCHANGED)
def test_anything_else_stays(name):
    before = simplified(trace(UNCHANGED[name], X))
    tvm.ir.assert_structural_equal(fold_scale(before), before)


def test_gelu_loses_its_half():
    down = RNG.standard_normal((8, 6)).astype(np.float32)
    module = simplified(trace(lambda x: jax.nn.gelu(x @ W + B, approximate=False) @ down, X))
    assert operators_of(module).count("multiply") - operators_of(fold_scale(module)).count("multiply") == 1


# Each maps [1, 4, 6] to [1, 4, 6].
STEPS = {
    "scale": lambda x: x * 0.5,
    "scale the other way": lambda x: 3.0 * x,
    "product": lambda x: x @ (W @ W.T / 8),
    "bias": lambda x: x + B[..., :6],
    "square": lambda x: x * x / 4,
    "twice": lambda x: x * 0.5 + jnp.tanh(x),
}


@pytest.mark.slow
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=2, max_size=6), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_random_programs_compute_the_same(target, names, seed):
    def program(x):
        for name in names:
            x = STEPS[name](x)
        return x

    assert_same_on(target, fold_scale, program, np.random.default_rng(seed).standard_normal(X.shape).astype(np.float32))
