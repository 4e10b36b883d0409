import jax.numpy as jnp
import numpy as np
import pytest
import tvm
from hypothesis import given, settings
from hypothesis import strategies as st
from tvm import relax
from tvm.script import ir as I
from tvm.script import relax as R

from bertnas_jax.compiler.merge_projections import merge_projections
from tests.compiler.conftest import assert_same_on, operators_of, simplified, trace

RNG = np.random.default_rng(0)
X = RNG.standard_normal((1, 4, 6)).astype(np.float32)
W1, W2 = (RNG.standard_normal((6, width)).astype(np.float32) for width in (8, 3))
B1, B2 = (RNG.standard_normal((1, 1, width)).astype(np.float32) for width in (8, 3))


def test_two_products_become_one_that_is_sliced():
    before = trace(lambda x: jnp.concatenate([x @ W1 + B1, x @ W2 + B2], axis=2), X)
    tvm.ir.assert_structural_equal(simplified(merge_projections(simplified(before))), _expected())


def _expected():
    @I.ir_module
    class Expected:
        @R.function
        def main(x0: R.Tensor((1, 4, 6), "float32"), weights: R.Tensor((6, 11), "float32"), bias: R.Tensor((1, 1, 11), "float32")) -> R.Tensor((1, 4, 11), "float32"):
            with R.dataflow():
                product = R.matmul(x0, weights)
                merged = R.add(product, bias)
                first = R.strided_slice(merged, [2], [0], [8], [1])
                second = R.strided_slice(merged, [2], [8], [11], [1])
                joined = R.concat((first, second), axis=2)
                R.output(joined)
            return joined

    constants = {"weights": np.concatenate([W1, W2], axis=1), "bias": np.concatenate([B1, B2], axis=2)}
    return relax.transform.BindParams("main", {name: tvm.runtime.tensor(array) for name, array in constants.items()})(Expected)


@pytest.mark.parametrize(
    "program",
    [
        lambda x: x @ W1 + B1,
        lambda x: jnp.concatenate([x @ W1, x @ W2 + B2], axis=2),  # one without a bias
        lambda x: jnp.concatenate([x @ W1 + B1, jnp.sin(x) @ W2 + B2], axis=2),  # two inputs
        lambda x: jnp.concatenate([x @ W1 + x[..., :1], x @ W2 + x[..., :1]], axis=2),  # what is added is no constant
    ],
)
def test_anything_else_stays(program):
    before = simplified(trace(program, X))
    tvm.ir.assert_structural_equal(merge_projections(before), before)


def test_every_layer_of_a_bert_has_one_projection_less_two(make_bert):
    from bertnas_jax.compiler import trace_model

    before = simplified(trace_model(make_bert(depth=3), 16))
    products = operators_of(before).count("matmul"), operators_of(merge_projections(before)).count("matmul")
    assert products[0] - products[1] == 2 * 3


@pytest.mark.slow
@given(st.lists(st.sampled_from(["sin", "product", "pair", "three"]), min_size=1, max_size=4), st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_random_programs_compute_the_same(target, names, seed):
    square = np.concatenate([W1, W1], axis=1)[:, :6] / 4

    steps = {
        "sin": jnp.sin,
        "product": lambda x: x @ square + B1[..., :6],
        "pair": lambda x: (x @ square + B1[..., :6]) * jnp.tanh(x @ square.T + B1[..., 2:]),
        "three": lambda x: (x @ square + B1[..., :6]) + (x @ square.T + B1[..., 2:]) + (x @ -square + B1[..., :6]),
    }

    def program(x):
        for name in names:
            x = steps[name](x)
        return x

    assert_same_on(target, merge_projections, program, np.random.default_rng(seed).standard_normal(X.shape).astype(np.float32))
