import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from bertnas_jax.export.tflite_graph import SIGNATURE, TfliteGraph


def _write_product(path, weights):
    """x @ weights.T, and the weights as the file holds them."""
    graph = TfliteGraph()
    x = graph.input("x", (1, weights.shape[1]), "float32")
    bias = graph.constant(np.zeros(weights.shape[0], np.float32), "bias")
    y = graph.call("FULLY_CONNECTED", [x, graph.constant(weights, "weights"), bias], (1, weights.shape[0]))
    graph.write(path, {"y": y}, "a product")


def test_a_transposed_view_is_laid_out(tmp_path):
    weights = np.arange(15, dtype=np.float32).reshape(3, 5).T
    _write_product(tmp_path / "product.tflite", weights)
    run = Interpreter(model_path=str(tmp_path / "product.tflite")).get_signature_runner(SIGNATURE)
    np.testing.assert_array_equal(run(x=np.ones((1, 3), np.float32))["y"], weights.sum(axis=1)[None])


def test_int8_rows_are_rounded_to_half_a_step(tmp_path):
    """Against its definition: scale x integer is within half a scale of the weight, and a row of zeros stays so."""
    weights = np.random.default_rng(0).normal(0, 1, (6, 40)).astype(np.float32) * np.float32(10) ** np.arange(-3, 3, dtype=np.float32)[:, None]
    weights[2] = 0
    graph = TfliteGraph()
    x, bias = graph.input("x", (2, 40), "float32"), graph.constant(np.zeros(6, np.float32), "bias")
    y = graph.call("FULLY_CONNECTED", [x, graph.int8_constant(weights, "weights"), bias], (2, 6), 12, asymmetricQuantizeInputs=True)
    graph.write(tmp_path / "product.tflite", {"y": y}, "a product")
    interpreter = Interpreter(model_path=str(tmp_path / "product.tflite"))
    held = next(tensor for tensor in interpreter.get_tensor_details() if tensor["name"] == "weights")
    scales, values = held["quantization_parameters"]["scales"], interpreter.get_tensor(held["index"])
    np.testing.assert_allclose(scales * 127, np.maximum(np.abs(weights).max(axis=1), np.finfo(np.float32).tiny), rtol=1e-6)
    assert np.all(np.abs(values * scales[:, None] - weights) <= 0.5001 * scales[:, None])
    assert np.abs(values).max() == 127 and not values[2].any()


def test_constants_are_aligned_as_the_schema_says(tmp_path):
    _write_product(tmp_path / "product.tflite", np.ones((5, 3), np.float32))
    content = (tmp_path / "product.tflite").read_bytes()
    assert content[4:8] == b"TFL3"
    model = schema.Model.GetRootAs(content, 0)
    held = [model.Buffers(i) for i in range(model.BuffersLength()) if not model.Buffers(i).DataIsNone()]
    assert len(held) == 2
    for buffer in held:
        start = buffer._tab.Vector(buffer._tab.Offset(4))
        assert start % 16 == 0


def test_more_than_a_file_can_hold(tmp_path):
    graph = TfliteGraph()
    graph.constant(np.broadcast_to(np.float32(1), (2**15, 2**14)), "2 GiB, of which memory holds one element")
    with pytest.raises(ValueError, match="must hold less than 2 GB"):
        graph.write(tmp_path / "large.tflite", {}, "too large")
    assert not list(tmp_path.iterdir())
