"""What kernels do, counted by hand and by space/count.py."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.compiler import describe_kernels, list_kernels, lower, trace_model
from bertnas_jax.compiler.products import Product
from bertnas_jax.compiler.targets import ANDROID_ARM64, named_target
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, Subnet
from bertnas_jax.space.count import product_flops
from tests.compiler.conftest import trace

PANEL = 16  # columns that weights are packed in on NEON


def nests_of(function, *arrays):
    return describe_kernels(trace(function, *arrays), named_target(ANDROID_ARM64))


def test_a_product_with_bias_by_hand():
    weights, bias = np.ones((8, 48), np.float32), np.arange(48, dtype=np.float32)[None]
    (nest,) = nests_of(lambda x: x @ weights + bias, np.ones((4, 8), np.float32))
    # All rows are one tile of 4 x 16, and a panel of 16 columns is done with before the next.
    assert nest.products == (Product(1, 4, 8, 48, "float32", executed_flops=2 * 4 * 8 * 48, tile_rows=4, tile_columns=16),)
    assert nest.products[0].flops == 2 * 4 * 8 * 48
    assert nest.element_operations == 4 * 48
    assert nest.activation_bytes == 4 * (4 * 8 + 48 + 4 * 48)  # x, bias, result; the weights are the right operand
    assert nest.tasks == 1  # 3,072 multiply-adds are not worth a second thread


def test_columns_past_the_last_panel_count_as_they_are_computed():
    weights = np.ones((8, 20), np.float32)
    (nest,) = nests_of(lambda x: x @ weights, np.ones((4, 8), np.float32))
    assert nest.products[0].columns == 2 * PANEL


def test_a_large_product_is_parallel_and_a_reduction_is_no_product():
    weights = np.ones((256, 256), np.float32)
    (nest,) = nests_of(lambda x: x @ weights, np.ones((64, 256), np.float32))
    assert nest.tasks == 256 / PANEL
    (rows,) = nests_of(lambda x: x - jnp.max(x, axis=-1, keepdims=True), np.ones((4, 32), np.float32))
    assert rows.products == ()
    # A row: 32 elements into 8 partial maxima (two registers), those into 4, those into one; then 32 subtractions.
    assert rows.element_operations == 4 * (32 + 8 + 4 + 32)
    assert rows.activation_bytes == 2 * 4 * 4 * 32


@pytest.mark.slow
def test_the_two_products_of_attention_by_hand():
    length, heads, head_dim = 16, 3, 32
    model = Bert(BertConfig(Subnet.uniform(1, 96, heads, 192, head_dim), vocab_size=100), nnx.Rngs(0))
    nests = describe_kernels(trace_model(model, length), named_target(ANDROID_ARM64))
    (attention,) = (nest for nest in nests if len(nest.products) == 2)
    scores, context = attention.products
    assert (scores.batch, scores.rows, scores.inner, scores.columns) == (heads, length, head_dim, length)
    assert (context.batch, context.rows, context.inner, context.columns) == (heads, length, length, head_dim)
    # Keys and values are right operands, though they come as views of q k v; queries and result are moved beside the mask.
    width = 4 * length * heads * head_dim
    assert 2 * width <= attention.activation_bytes <= 2 * width + 4 * length * 2
    assert attention.tasks == heads


@pytest.mark.slow
@settings(deadline=None, max_examples=6)
@given(
    st.sampled_from([32, 64, 96]),
    st.sampled_from([8, 16, 40]),
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from([48, 64, 160])), min_size=1, max_size=2),
)
def test_products_of_any_subnet_have_the_flops_of_its_sizes(hidden, length, sizes):
    subnet = Subnet(hidden, 32, tuple(Layer(*pair) for pair in sizes))  # all widths whole panels: nothing is padded
    model = Bert(BertConfig(subnet, vocab_size=100), nnx.Rngs(0))
    nests = describe_kernels(trace_model(model, length), named_target(ANDROID_ARM64))
    head = 2 * hidden * PANEL  # the classifier's two columns are a panel
    assert sum(product.flops for nest in nests for product in nest.products) == product_flops(subnet, length) + head


def test_kernels_are_those_that_are_built(make_bert):
    target, module = named_target(ANDROID_ARM64), trace_model(make_bert(depth=2), 16)
    nests = describe_kernels(module, target)
    assert tuple(nest.kernel for nest in nests) == list_kernels(lower(module, target))
    for nest in nests:
        assert nest.element_operations + sum(product.executed_flops for product in nest.products) == nest.kernel.flops


def test_two_digits_pass_twice_over_the_same_weights_by_hand():
    weights = np.ones((32, 48), np.float32)
    *rows, nest = describe_kernels(trace(lambda x: x @ weights, np.ones((4, 32), np.float32)), named_target(ANDROID_ARM64), "int8_accurate")
    flops = 2 * 2 * 4 * 32 * 48
    assert nest.products == (Product(1, 4, 32, 48, "int8", executed_flops=flops, tile_rows=4, tile_columns=16, passes=2),)
    assert nest.products[0].flops == flops and not any(each.products for each in rows)
    assert nest.element_operations == 2 * 4 * 48  # by the scales of columns and of rows
    # Two digits a number, column scales, row scales and the result in float32; the weights, once, are the right operand.
    assert nest.activation_bytes == 2 * 4 * 32 + 4 * (48 + 4 + 4 * 48)


@pytest.mark.slow
def test_heads_that_are_no_whole_vectors_are_padded_as_they_run():
    length, heads, head_dim, padded = 16, 2, 26, 28  # vectors of 4 lanes
    model = Bert(BertConfig(Subnet.uniform(1, 52, heads, 64, head_dim), vocab_size=100), nnx.Rngs(0))
    nests = describe_kernels(trace_model(model, length), named_target(ANDROID_ARM64))
    ((scores, context),) = (nest.products for nest in nests if len(nest.products) == 2)
    assert scores.executed_flops == scores.flops == 2 * heads * length * head_dim * length
    assert (context.columns, context.executed_flops) == (head_dim, 2 * heads * length * length * padded)
