"""Every primitive's translation against JAX itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.compiler.primitives import PRIMITIVES

X = np.random.default_rng(0).standard_normal((2, 6, 8)).astype(np.float32)
Y = np.random.default_rng(1).standard_normal((2, 6, 8)).astype(np.float32)
IDS = np.array([[0, 3, 5], [9, -2, 1]], np.int32)
TABLE = np.random.default_rng(2).standard_normal((6, 4)).astype(np.float32)

# float32 and a handful of operations: a few units in the last place of values near 1.
TOLERANCE = {"rtol": 2e-6, "atol": 2e-6}

CASES = {
    "abs": (jnp.abs, X),
    "add": (jnp.add, X, Y),
    "and": (lambda x, y: jnp.where((x > 0) & (y > 0), x, y), X, Y),
    "broadcast_in_dim": (lambda x: jnp.broadcast_to(x[:, None], (2, 3, 6, 8)), X),
    "ceil": (jnp.ceil, X),
    "clamp": (lambda x: jnp.clip(x, -0.5, 0.5), X),
    "concatenate": (lambda x, y: jnp.concatenate([x, y], axis=1), X, Y),
    "convert_element_type": (lambda x: (x * 10).astype(jnp.int32), X),
    "copy": (lambda x: jax.lax.optimization_barrier(jnp.array(x, copy=True)), X),
    "cos": (jnp.cos, X),
    "div": (jnp.divide, X, np.abs(Y) + 1),
    "div by a constant": (lambda x: x / 3.0, X),
    "dot_general, matrices": (lambda x: x @ jnp.asarray(Y[0].T), X),
    "dot_general, two inner axes": (lambda x, y: jnp.einsum("bij,cij->bc", x, y), X, Y),
    "dot_general, batch": (lambda x, y: jnp.einsum("bij,bkj->bik", x, y), X, Y),
    "dot_general, batch in the middle": (lambda x, y: jnp.einsum("bij,kij->ibk", x, y), X, Y),
    "dot_general, many free axes": (lambda x: jnp.einsum("bij,jkl->bikl", x, jnp.asarray(Y.transpose(2, 0, 1))), X),
    "dot_general, vector": (lambda x: x @ jnp.asarray(Y[0, 0]), X),
    "eq": (lambda x: jnp.where(jnp.floor(x) == 0, x, 1.0), X),
    "erf": (jax.lax.erf, X),
    "erfc": (jax.lax.erfc, X),
    "exp": (jnp.exp, X),
    "expand_dims": (lambda x: jnp.expand_dims(x, 1), X),
    "floor": (jnp.floor, X),
    "gather": (lambda ids: jnp.take(jnp.asarray(TABLE), ids, axis=0, mode="clip"), IDS),
    "ge": (lambda x, y: jnp.where(x >= y, x, y), X, Y),
    "gt": (lambda x, y: jnp.where(x > y, x, y), X, Y),
    "integer_pow": (lambda x: x**3, X),
    "integer_pow, none": (lambda x: x + jax.lax.integer_pow(x, 0), X),
    "integer_pow, negative": (lambda x: x**-2, np.abs(X) + 1),
    "le": (lambda x, y: jnp.where(x <= y, x, y), X, Y),
    "log": (jnp.log, np.abs(X) + 1),
    "logistic": (jax.nn.sigmoid, X),
    "lt": (lambda x, y: jnp.where(x < y, x, y), X, Y),
    "max": (jnp.maximum, X, Y),
    "max with -inf": (lambda x: jnp.maximum(x.max(axis=-1, keepdims=True), -jnp.inf), X),
    "min": (jnp.minimum, X, Y),
    "mul": (jnp.multiply, X, Y),
    "ne": (lambda x: jnp.where(jnp.floor(x) != 0, x, 1.0), X),
    "neg": (jnp.negative, X),
    "not": (lambda x: jnp.where(~(x > 0), x, 1.0), X),
    "or": (lambda x, y: jnp.where((x > 0) | (y > 0), x, y), X, Y),
    "pow": (lambda x, y: jnp.power(x, y), np.abs(X) + 1, Y),
    "reduce_max": (lambda x: x.max(axis=1), X),
    "reduce_min": (lambda x: x.min(axis=-1), X),
    "reduce_sum": (lambda x: x.sum(axis=(0, 2)), X),
    "reshape": (lambda x: x.reshape(12, 8), X),
    "rsqrt": (jax.lax.rsqrt, np.abs(X) + 1),
    "select_n": (lambda x, y: jax.lax.select(x > 0, x, y), X, Y),
    "sign": (jnp.sign, X),
    "sin": (jnp.sin, X),
    "slice": (lambda x: x[:, 1:5:2, :3], X),
    "sqrt": (jnp.sqrt, np.abs(X)),
    "square": (jnp.square, X),
    "squeeze": (lambda x: jnp.squeeze(x[:, :1], axis=1), X),
    "stop_gradient": (jax.lax.stop_gradient, X),
    "sub": (jnp.subtract, X, Y),
    "tanh": (jnp.tanh, X),
    "transpose": (lambda x: x.transpose(2, 0, 1), X),
    "transpose of a product": (lambda x, y: jnp.einsum("bij,bkj->bik", x, y).transpose(0, 2, 1), X, Y),
    "nested jit": (lambda x: jax.jit(lambda y: y * 2.0)(x) + jax.nn.relu(x), X),
    "custom_jvp": (jax.nn.silu, X),
    "remat": (jax.checkpoint(lambda x: jnp.sin(x) * x), X),
}


@pytest.mark.parametrize("name", CASES)
def test_translation_computes_what_jax_does(name, run_translated):
    function, *arrays = CASES[name]
    expected = np.asarray(function(*map(jnp.asarray, arrays)))
    got = run_translated(function, *arrays)
    assert got.dtype == expected.dtype and got.shape == expected.shape
    np.testing.assert_allclose(got, expected, **TOLERANCE)


def test_every_primitive_has_a_case():
    covered = {name.split(",")[0].split(" ")[0] for name in CASES}
    # Both spellings of copying and the barrier are in the case "copy".
    assert set(PRIMITIVES) - covered <= {"copy_p", "optimization_barrier"}


def test_gather_in_another_form_names_the_cure(run_translated):
    with pytest.raises(NotImplementedError, match="jnp.take"):
        run_translated(lambda ids: jnp.take(jnp.asarray(TABLE), ids, axis=1, mode="clip"), IDS)
