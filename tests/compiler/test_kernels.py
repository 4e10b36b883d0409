from collections import Counter

import numpy as np
import pytest

from bertnas_jax.compiler import compile_model, list_kernels, lower, profile_kernels, trace_model
from tests.compiler.conftest import trace


@pytest.fixture(scope="module")
def kernels_of(make_bert, target):
    def kernels(**sizes):
        return list_kernels(lower(trace_model(make_bert(**sizes), 16), target))

    return kernels


def signatures(kernels):
    return Counter(kernel.signature for kernel in kernels)


def test_every_layer_adds_the_same_kernels(kernels_of):
    one, two, three, four = (signatures(kernels_of(depth=depth)) for depth in (1, 2, 3, 4))
    assert two - one == three - two == four - three
    assert one <= two


def test_a_layer_is_seven_kernels(kernels_of):
    # q k v, attention, projection, LayerNorm, widening, narrowing, LayerNorm
    assert len(kernels_of(depth=3)) - len(kernels_of(depth=2)) == 7


def test_weights_do_not_change_a_signature(kernels_of):
    assert signatures(kernels_of(seed=0)) == signatures(kernels_of(seed=1))


def test_another_width_of_the_ffn_changes_only_its_two_products(kernels_of):
    narrow, wide = signatures(kernels_of(depth=3, ffn=48)), signatures(kernels_of(depth=3, ffn=64))
    assert (narrow - wide).total() == (wide - narrow).total() == 6


def test_flops_and_bytes_of_a_product_with_bias(target):
    weights = np.ones((8, 48), np.float32)  # whole panels of any target
    bias = np.arange(48, dtype=np.float32)[None]
    (kernel,) = list_kernels(lower(trace(lambda x: x @ weights + bias, np.ones((4, 8), np.float32)), target))
    assert kernel.flops == 2 * 4 * 8 * 48 + 4 * 48
    assert kernel.bytes == 4 * (4 * 8 + 8 * 48 + 48 + 4 * 48)


def test_a_looked_up_table_counts_the_rows_that_are_read(target):
    import jax.numpy as jnp

    table = np.ones((1000, 8), np.float32)
    ids = np.zeros((4,), np.int32)
    kernels = list_kernels(lower(trace(lambda ids: jnp.take(jnp.asarray(table), ids, axis=0, mode="clip"), ids), target))
    assert sum(kernel.bytes for kernel in kernels) < 4 * 1000


def test_the_profile_names_the_listed_kernels(make_bert, make_inputs, target):
    module = lower(trace_model(make_bert(), 16), target)
    times = profile_kernels(compile_model(make_bert(), 16, target), make_inputs(16), repeats=3)
    assert [time.name for time in times] == [kernel.name for kernel in list_kernels(module)]
    assert all(time.median_us > 0 for time in times)
