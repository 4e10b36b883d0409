"""The operator list against what TensorFlow's converter makes of a vision transformer's block."""

from collections import Counter

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bertnas_jax.export import export_tflite
from bertnas_jax.latency import Conditions, stand_in
from bertnas_jax.latency.simulate.tflite_operators import attention_operators, encoder_operators, ffn_operators
from bertnas_jax.space import Layer, Subnet

HIDDEN, HEADS, FFN, SEQ_LEN = 32, 2, 64, 10
FREE = {"RESHAPE", "RSQRT", "DELEGATE"}  # no copy, or a number a token; added by the interpreter


def block(tf):
    rng = np.random.default_rng(0)

    def weight(*shape):
        return tf.constant(rng.standard_normal(shape).astype(np.float32))

    def norm(x):
        mean, variance = tf.nn.moments(x, [2], keepdims=True)
        return tf.nn.batch_normalization(x, mean, variance, weight(HIDDEN), weight(HIDDEN), 1e-12)

    def linear(x, size):
        return tf.nn.bias_add(tf.tensordot(x, weight(x.shape[-1], size), [[2], [0]]), weight(size))

    def split(x):
        return tf.transpose(tf.reshape(x, (1, SEQ_LEN, HEADS, HIDDEN // HEADS)), [0, 2, 1, 3])

    def run(x):
        y = norm(x)
        query, key, value = (split(linear(y, HIDDEN)) for _ in range(3))
        share = tf.nn.softmax(tf.matmul(query, key, transpose_b=True) * 0.25)
        x = linear(tf.reshape(tf.transpose(tf.matmul(share, value), [0, 2, 1, 3]), (1, SEQ_LEN, HIDDEN)), HIDDEN) + x
        return linear(tf.nn.gelu(linear(norm(x), FFN), approximate=False), HIDDEN) + x

    return run


def test_products_of_int8_are_those_of_the_file_that_is_exported(tmp_path):
    subnet = Subnet(32, 16, (Layer(2, 64), Layer(1, 48)))
    export_tflite(stand_in(subnet, Conditions(SEQ_LEN, threads=1)), SEQ_LEN, tmp_path / "model.tflite", "int8")
    narrow = [tensor["shape"] for tensor in Interpreter(str(tmp_path / "model.tflite")).get_tensor_details() if tensor["dtype"] == np.int8]
    works = encoder_operators(subnet, SEQ_LEN, "int8")
    products = [work for work in works if work.dtype == "int8"]
    assert Counter((work.columns, work.inner) for work in products) == Counter(map(tuple, narrow))
    quantised = [work.moved_bytes for work in works if work.name == "QUANTIZE"]
    assert quantised == [work.rows * work.inner * 5 for work in products], "4 bytes of a float read, one of a whole number written"
    others = [work for work in works if work.dtype != "int8" and work.name != "QUANTIZE"]
    assert Counter(others) == Counter(work for work in encoder_operators(subnet, SEQ_LEN, "float32") if not work.name.startswith("FULLY_CONNECTED"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_the_operators_are_the_converters():
    tf = pytest.importorskip("tensorflow", reason="the converter is TensorFlow's, an extra of the tests")
    function = tf.function(block(tf), autograph=False).get_concrete_function(tf.TensorSpec((1, SEQ_LEN, HIDDEN), tf.float32))
    model = tf.lite.TFLiteConverter.from_concrete_functions([function]).convert()
    kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kind)
    shapes = {tensor["index"]: tensor["shape"] for tensor in interpreter.get_tensor_details()}
    made = Counter(
        operator["op_name"]
        for operator in interpreter._get_ops_details()
        if operator["op_name"] not in FREE and not (operator["op_name"] == "ADD" and np.prod(shapes[operator["outputs"][0]]) == SEQ_LEN)
    )
    listed = attention_operators(HIDDEN, HEADS, HIDDEN // HEADS, SEQ_LEN, "float32") + ffn_operators(HIDDEN, FFN, SEQ_LEN, "float32")
    assert Counter(kernel.name.split()[0] for kernel in listed) == made
