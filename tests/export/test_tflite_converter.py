"""TensorFlow's converter as the oracle of our writer: the same operators, of one model written as a tf.function."""

import collections
import warnings

import jax
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bertnas_jax.export import TfliteModel, export_tflite
from tests.export.conftest import make_inputs

SEQ_LEN = 12


def _convert(model, tf):
    """The .tflite that TensorFlow makes of the model over plain matmuls."""

    def linear(x, dense, scale=1.0):
        return tf.matmul(x, np.asarray(dense.kernel[...]) * np.float32(scale)) + np.asarray(dense.bias[...]) * np.float32(scale)

    def norm(x, layer_norm):
        mean = tf.reduce_mean(x, -1, keepdims=True)
        variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
        normal = (x - mean) * tf.math.rsqrt(variance + np.float32(model.config.layer_norm_eps))
        return normal * np.asarray(layer_norm.scale[...]) + np.asarray(layer_norm.bias[...])

    def attend(x, attention, mask):
        own = attention.self
        split = (SEQ_LEN, own.heads, own.head_dim)
        query, key, value = (
            tf.transpose(tf.reshape(linear(x, dense, scale), split), (1, 0, 2))
            for dense, scale in ((own.query, own.head_dim**-0.5), (own.key, 1.0), (own.value, 1.0))
        )
        mixed = tf.matmul(tf.nn.softmax(tf.matmul(query, key, transpose_b=True) + mask), value)
        mixed = tf.reshape(tf.transpose(mixed, (1, 0, 2)), (SEQ_LEN, own.heads * own.head_dim))
        return norm(linear(mixed, attention.output.dense) + x, attention.output.LayerNorm)

    def logits(input_ids, attention_mask, token_type_ids):
        weight = tf.cast(attention_mask, tf.float32)
        tables = model.embeddings
        x = tf.gather(np.asarray(tables.word_embeddings.embedding[...]), input_ids)
        x = tf.reshape(x + tf.gather(np.asarray(tables.token_type_embeddings.embedding[...]), token_type_ids), (SEQ_LEN, -1))
        x = norm(x + np.asarray(tables.position_embeddings.embedding[...])[:SEQ_LEN], tables.LayerNorm)
        for block in model.layer:
            x = attend(x, block.attention, (1.0 - weight) * -1e9)
            wide = tf.nn.gelu(linear(x, block.feed_forward.intermediate.dense), approximate=False)
            x = norm(linear(wide, block.feed_forward.output.dense) + x, block.feed_forward.output.LayerNorm)
        column = tf.reshape(weight, (SEQ_LEN, 1))
        length = tf.maximum(tf.reduce_sum(column, 0, keepdims=True), 1.0)
        return linear(tf.reduce_sum(x * column, 0, keepdims=True) / length, model.head.classifier)

    names = ("input_ids", "attention_mask", "token_type_ids")
    signature = [tf.TensorSpec([1, SEQ_LEN], tf.int32, name=name) for name in names]
    concrete = tf.function(logits, input_signature=signature).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert()


def _operators(path):
    interpreter = Interpreter(model_path=str(path))
    return collections.Counter(node["op_name"] for node in interpreter._get_ops_details() if node["op_name"] != "DELEGATE")


@pytest.mark.filterwarnings("ignore")
def test_operators_and_logits_are_the_converters(model, tmp_path):
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        tf = pytest.importorskip("tensorflow", reason="TensorFlow, the oracle of this test, is not installed")
        (tmp_path / "theirs.tflite").write_bytes(_convert(model, tf))
    export_tflite(model, SEQ_LEN, tmp_path / "ours.tflite")
    assert _operators(tmp_path / "ours.tflite") == _operators(tmp_path / "theirs.tflite")
    inputs = make_inputs(SEQ_LEN, [1] * 9 + [0] * 3)
    ours, theirs = (TfliteModel(tmp_path / name).run(*inputs) for name in ("ours.tflite", "theirs.tflite"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)  # the same kernels in the same order, but for folded constants
