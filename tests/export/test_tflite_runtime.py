import numpy as np
import pytest

from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.export.tflite_graph import TfliteGraph
from bertnas_jax.space import Layer, Subnet
from tests.export.conftest import make_inputs, make_model


@pytest.fixture(scope="module")
def path(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("runtime") / "model.tflite"
    export_tflite(model, 16, path)
    return path


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_xnnpack_takes_all_but_the_lookups_and_the_masks_cast(tmp_path, pooling):
    export_tflite(make_model(Subnet(32, 8, (Layer(2, 48), Layer(4, 24))), pooling), 16, tmp_path / "model.tflite")
    model = TfliteModel(tmp_path / "model.tflite")
    assert sorted(model.operators_left_out()) == ["CAST", "GATHER", "GATHER"]
    assert model.partitions == 1
    assert model.operator_count > 50


def test_threads_do_not_change_the_logits(path):
    inputs = make_inputs(16, [1] * 16)
    np.testing.assert_allclose(TfliteModel(path, threads=1).run(*inputs), TfliteModel(path, threads=2).run(*inputs), atol=1e-6)


def test_a_model_can_be_invoked_before_it_is_run(path):
    model = TfliteModel(path)
    model.invoke()
    assert np.isfinite(model.run(*make_inputs(16, [0] * 16))).all()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_a_truncated_file(path, tmp_path, share):
    content = path.read_bytes()
    (tmp_path / "torn.tflite").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match="torn.tflite must be a whole .tflite file, got .*; export it again"):
        TfliteModel(tmp_path / "torn.tflite")


def test_other_mistakes_are_named(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="must be a file"):
        TfliteModel(tmp_path / "none.tflite")
    with pytest.raises(ValueError, match="threads must be at least 1"):
        TfliteModel(path, threads=0)
    with pytest.raises(ValueError, match=r"input_ids must have the shape \(1, 16\), got \(1, 9\); pad it"):
        TfliteModel(path).run(*make_inputs(9, [1] * 9))


def test_a_file_of_other_inputs(tmp_path):
    graph = TfliteGraph()
    graph.write(tmp_path / "other.tflite", {"y": graph.call("RSQRT", [graph.input("x", (1, 4), "float32")], (1, 4))}, "not ours")
    with pytest.raises(ValueError, match="must have the inputs .*input_ids.*, got"):
        TfliteModel(tmp_path / "other.tflite")
