import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.compiler.conftest import call, trace

from bertnas_jax.compiler import UnknownPrimitiveError, lower
from bertnas_jax.compiler.build import build_executable

# Each maps [3, 4, 8] to [3, 4, 8] and keeps values near 1, so that errors do not grow.
STEPS = {
    "softmax": lambda x: jax.nn.softmax(x, axis=-1),
    "standardise": lambda x: (x - x.mean(-1, keepdims=True)) * jax.lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + 1e-3),
    "tanh": jnp.tanh,
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "weights": lambda x: x @ (jnp.arange(64, dtype=jnp.float32).reshape(8, 8) / 256 - 0.1),
    "bias": lambda x: x + jnp.arange(8, dtype=jnp.float32)[None, None] / 8,
    "residual": lambda x: x + jnp.tanh(x),
    "mix rows": lambda x: jnp.einsum("bij,bkj,bkl->bil", x, x, x) / 32,
    "transpose twice": lambda x: jnp.sin(x.transpose(0, 2, 1)).transpose(0, 2, 1),
    "masked": lambda x: jnp.where(x > 0, x, 0.1 * x),
}


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5), st.integers(0, 5))
@settings(max_examples=25, deadline=None)
def test_small_programs_compile_to_what_jax_computes(target, names, seed):
    def program(x):
        for name in names:
            x = STEPS[name](x)
        return x

    x = np.random.default_rng(seed).standard_normal((3, 4, 8)).astype(np.float32)
    got = call(build_executable(lower(trace(program, x), target), target), x)
    np.testing.assert_allclose(got, np.asarray(program(jnp.asarray(x))), rtol=1e-4, atol=1e-5)


def test_equations_of_constants_leave_no_operator():
    weights = jnp.ones((4, 4))
    module = trace(lambda x: x @ (weights.T * 2.0 + 1.0), np.ones((1, 4), np.float32))
    values = [binding.value for block in module["main"].body.blocks for binding in block.bindings]
    assert [value.op.name for value in values if hasattr(value, "op")] == ["relax.matmul"]


def test_an_unknown_primitive_is_named():
    with pytest.raises(UnknownPrimitiveError, match="cumsum"):
        trace(lambda x: jnp.cumsum(x, axis=1), np.ones((2, 3), np.float32))


def test_two_results_are_refused():
    with pytest.raises(ValueError, match="one array, got 2"):
        trace(lambda x: (x + 1.0, x * 2.0), np.ones((2, 3), np.float32))
