"""TensorFlow's converter as the oracle of our writer: the same operators, of one model written as a tf.function."""

import collections
import warnings

import jax
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bertnas_jax.export import TfliteModel, export_tflite
from tests.export.conftest import make_inputs
from tests.export.tensorflow_oracle import convert

SEQ_LEN = 12


def _operators(path):
    interpreter = Interpreter(model_path=str(path))
    return collections.Counter(node["op_name"] for node in interpreter._get_ops_details() if node["op_name"] != "DELEGATE")


@pytest.mark.filterwarnings("ignore")
def test_operators_and_logits_are_the_converters(model, tmp_path):
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        tf = pytest.importorskip("tensorflow", reason="TensorFlow, the oracle of this test, is not installed")
        (tmp_path / "theirs.tflite").write_bytes(convert(model, SEQ_LEN, tf))
    export_tflite(model, SEQ_LEN, tmp_path / "ours.tflite")
    assert _operators(tmp_path / "ours.tflite") == _operators(tmp_path / "theirs.tflite")
    inputs = make_inputs(SEQ_LEN, [1] * 9 + [0] * 3)
    ours, theirs = (TfliteModel(tmp_path / name).run(*inputs) for name in ("ours.tflite", "theirs.tflite"))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)  # the same kernels in the same order, but for folded constants
