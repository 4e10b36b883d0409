"""The operator list against what TensorFlow's converter makes of a vision transformer's block."""

from collections import Counter

import numpy as np
import pytest

from bertnas_jax.latency.simulate.tflite_operators import attention_operators, ffn_operators

pytestmark = pytest.mark.slow
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
