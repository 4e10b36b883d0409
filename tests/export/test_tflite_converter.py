"""TensorFlow's converter as the oracle of our writer: the same operators, of one model written as a tf.function."""

import collections
import warnings

import jax
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.space import Subnet
from tests.export.conftest import make_inputs, make_model
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


@pytest.mark.filterwarnings("ignore")
def test_int8_is_as_close_as_the_converters(tmp_path):
    """Its dynamic ranges: the same operators, but for the embedding table, which it quantises too."""
    model = make_model(Subnet.uniform(2, 64, 4, 128))
    with warnings.catch_warnings(), jax.numpy_dtype_promotion("standard"):
        warnings.simplefilter("ignore")
        tf = pytest.importorskip("tensorflow", reason="TensorFlow, the oracle of this test, is not installed")
        (tmp_path / "theirs.tflite").write_bytes(convert(model, SEQ_LEN, tf, "int8"))
    export_tflite(model, SEQ_LEN, tmp_path / "ours.tflite", "int8")
    export_tflite(model, SEQ_LEN, tmp_path / "float32.tflite")
    ours, theirs, exact = (TfliteModel(tmp_path / f"{name}.tflite") for name in ("ours", "theirs", "float32"))
    assert ours.partitions == 1 and "FULLY_CONNECTED" not in ours.operators_left_out()
    made = _operators(tmp_path / "theirs.tflite")
    made.pop("DEQUANTIZE", None)
    assert _operators(tmp_path / "ours.tflite") == made
    inputs = [make_inputs(SEQ_LEN, [1] * length + [0] * (SEQ_LEN - length), seed=length) for length in range(3, SEQ_LEN + 1)]
    errors = {name: max(np.abs(run.run(*each) - exact.run(*each)).max() for each in inputs) for name, run in (("ours", ours), ("theirs", theirs))}
    # Both round the same products, but rows of other tables, so that their errors are two draws of the same size; scales or
    # zero points that are wrong would be off by tens of times.
    assert 0 < errors["ours"] < 3 * errors["theirs"]
