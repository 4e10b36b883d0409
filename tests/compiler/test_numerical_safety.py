"""What must hold for any input: no NaN from padding alone, no cancellation, the same bits on any number of threads."""

import jax
import numpy as np
import pytest

from bertnas_jax.compiler import compile_model, num_threads, set_num_threads
from bertnas_jax.export.parity import logits_of
from bertnas_jax.model.bert import MASKED_SCORE


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    yield
    set_num_threads(1)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_a_sentence_of_length_0_gives_what_jax_does(make_bert, make_inputs, target, pooling):
    model, (ids, mask, types) = make_bert(pooling=pooling), make_inputs(16)
    inputs = (ids, np.zeros_like(mask), types)
    got = compile_model(model, 16, target).run(*inputs)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, np.asarray(logits_of(model, *inputs)), rtol=0, atol=1e-4)


def test_a_row_that_is_masked_everywhere_is_averaged(run_compiled):
    x = np.full((2, 3, 8), MASKED_SCORE, np.float32)
    np.testing.assert_allclose(run_compiled(lambda x: jax.nn.softmax(x, axis=-1), x), np.full_like(x, 1 / 8), rtol=1e-6)


@pytest.mark.parametrize("mean", [0.0, 1e2, 1e4])
def test_layer_norm_of_a_large_mean(run_compiled, mean):
    from flax import nnx

    from bertnas_jax.model.bert import layer_norm

    norm = layer_norm(64, 1e-12, nnx.Rngs(0))
    x = (np.random.default_rng(0).standard_normal((4, 64)) + mean).astype(np.float32)
    wide = x.astype(np.float64)
    centred = wide - wide.mean(-1, keepdims=True)
    exact = centred / np.sqrt((centred**2).mean(-1, keepdims=True))
    # The mean itself is rounded to float32: an error of its last place, shared by the whole row.
    np.testing.assert_allclose(run_compiled(norm, x), exact, rtol=0, atol=1e-5 + 4 * np.spacing(np.float32(mean)))


@pytest.mark.slow
@pytest.mark.parametrize(("hidden", "heads", "ffn", "seq_len"), [(64, 4, 256, 64), (39, 3, 50, 31), (256, 8, 512, 32)])
def test_two_threads_give_the_same_bits_as_one(make_bert, make_inputs, target, hidden, heads, ffn, seq_len):
    compiled, inputs = compile_model(make_bert(hidden=hidden, heads=heads, ffn=ffn), seq_len, target), make_inputs(seq_len)
    set_num_threads(1)
    alone = compiled.run(*inputs)
    set_num_threads(2)
    assert num_threads() == 2
    for _ in range(3):
        np.testing.assert_array_equal(compiled.run(*inputs), alone)
