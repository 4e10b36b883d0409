"""Counts against XLA's own cost analysis and the parameters of the real model."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx

from bertnas_jax.export import export_tflite
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, Subnet, Vocabulary, count_flops, count_parameters, encoder_flops, product_flops, tflite_bytes
from bertnas_jax.space.count import GRAPH_BYTES

CASES = [
    (Subnet.uniform(2, 384, 12, 1536), 128),
    (Subnet.uniform(2, 768, 12, 3072), 128),
    (Subnet(96, 32, (Layer(2, 200), Layer(3, 384))), 64),
    (Subnet.uniform(1, 64, 2, 128), 16),
]


@pytest.mark.parametrize(("subnet", "seq_len"), CASES, ids=lambda value: value.describe() if isinstance(value, Subnet) else str(value))
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_counts_agree_with_xla_and_the_model(subnet, seq_len, pooling):
    config = BertConfig(subnet, vocab_size=1000, num_outputs=3, pooling=pooling)
    graph, state = nnx.split(nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0))))
    ids = jax.ShapeDtypeStruct((1, seq_len), jnp.int32)
    cost = jax.jit(lambda state, *inputs: nnx.merge(graph, state)(*inputs)).lower(state, ids, ids, ids).cost_analysis()
    vocabulary = Vocabulary(1000, 512, 2, 3, has_pooler=pooling == "cls")
    assert count_parameters(subnet, vocabulary) == sum(leaf.size for leaf in jax.tree.leaves(state))
    assert count_flops(subnet, vocabulary, seq_len) == pytest.approx(cost["flops"] + cost["transcendentals"], rel=0.01)


def test_encoder_flops_of_bert_base():
    # 2 MACs x (12 layers) x 128 x (4 x 768^2 + 2 x 768 x 3072) weights, and 4 x 128^2 x 768 for attention: by hand.
    products = 12 * (2 * 128 * (4 * 768**2 + 2 * 768 * 3072) + 4 * 128**2 * 768)
    assert product_flops(Subnet.uniform(12, 768, 12, 3072), 128) == products
    assert encoder_flops(Subnet.uniform(12, 768, 12, 3072), 128) == pytest.approx(products, rel=0.01)


@pytest.mark.parametrize(("subnet", "pooling"), [(Subnet(32, 8, (Layer(2, 48), Layer(3, 16))), "cls"), (Subnet.uniform(24, 16, 2, 32), "mean")])
def test_a_tflite_file_is_as_large_as_foreseen(subnet, pooling, tmp_path):
    """On a file that was written: up to the graph's share too much, never too little."""
    config = BertConfig(subnet, vocab_size=1000, num_outputs=3, pooling=pooling)
    export_tflite(Bert(config, nnx.Rngs(0)), 16, tmp_path / "model.tflite")
    written = (tmp_path / "model.tflite").stat().st_size
    assert 0 <= tflite_bytes(subnet, config.vocabulary, 16) - written < GRAPH_BYTES
