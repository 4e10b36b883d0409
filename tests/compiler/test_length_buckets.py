import jax
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.compiler import bucket_lengths, compile_lengths, compile_model, load_compiled
from bertnas_jax.compiler.length_buckets import least_length
from bertnas_jax.model import Bert, BertConfig, get_parameters
from bertnas_jax.space import Subnet

LENGTHS = (8, 16, 24)


@pytest.mark.parametrize(("seq_len", "lengths"), [(8, (8,)), (5, (5,)), (24, (8, 16, 24)), (64, (8, 16, 32, 64))])
def test_buckets_double_up_to_the_whole_length(seq_len, lengths):
    assert bucket_lengths(seq_len) == lengths


@pytest.mark.parametrize(
    ("mask", "length"),
    [([1], 8), ([1] * 8, 8), ([1] * 9, 16), ([1] * 24, 24), ([1] + [0] * 15 + [1], 24), ([0] * 24, 24)],
    ids=["one", "just fits", "one more", "all", "a gap", "none"],
)
def test_the_last_token_decides(mask, length):
    assert least_length(LENGTHS, np.pad(np.array([mask], np.int32), ((0, 0), (0, 24 - len(mask))))) == length


@pytest.fixture(scope="module")
def bert():
    return Bert(BertConfig(Subnet.uniform(2, 32, 4, 48), vocab_size=20_000), nnx.Rngs(0))


@pytest.fixture(scope="module")
def models(bert, target):
    return compile_lengths(bert, LENGTHS, target), compile_model(bert, 24, target)


@pytest.mark.parametrize("tokens", [0, 1, 8, 9, 16, 20, 24])
def test_shorter_inputs_have_the_logits_of_the_whole_length(models, tokens, make_inputs):
    ids, _, types = make_inputs(24)
    mask = (np.arange(24) < tokens).astype(np.int32)[None]
    bucketed, whole = (model.run(ids, mask, types) for model in models)
    # Sums over other numbers of zeros: only the order of rounding differs.
    np.testing.assert_allclose(bucketed, whole, atol=1e-5)


def test_the_saved_library_knows_its_lengths_and_holds_its_weights_once(models, bert, make_inputs, tmp_path):
    bucketed, whole = models
    bucketed.save(tmp_path / "bucketed.so")
    whole.save(tmp_path / "whole.so")
    loaded, inputs = load_compiled(tmp_path / "bucketed.so"), make_inputs(24)
    assert loaded.lengths == LENGTHS and whole.lengths == ()
    np.testing.assert_array_equal(loaded.run(*inputs), bucketed.run(*inputs))
    weight_bytes = 4 * sum(array.size for array in jax.tree.leaves(get_parameters(bert)))
    sizes = [(tmp_path / name).stat().st_size for name in ("bucketed.so", "whole.so")]
    assert sizes[0] - sizes[1] < weight_bytes, f"three lengths may not cost the weights ({weight_bytes} bytes) once more, got {sizes}"

