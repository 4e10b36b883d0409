import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.export.parity import logits_of
from bertnas_jax.space import Layer, Subnet
from tests.export.conftest import make_inputs, make_model

# float32 sums in another order: errors of the order of 1e-6, where a wrong mask or head shows as 1e-2.
TOLERANCE = 1e-4

layers = st.lists(st.builds(Layer, st.integers(1, 5), st.sampled_from((8, 24, 40))), min_size=1, max_size=2).map(tuple)
subnets = st.builds(Subnet, st.sampled_from((16, 24)), st.sampled_from((4, 8)), layers)


@settings(max_examples=8, deadline=None)
@given(subnets, st.sampled_from(("mean", "cls")), st.integers(1, 3), st.lists(st.integers(0, 1), min_size=1, max_size=24))
def test_logits_are_the_models(tmp_path_factory, subnet, pooling, num_outputs, mask):
    model = make_model(subnet, pooling, num_outputs)
    path = tmp_path_factory.mktemp("tflite") / "model.tflite"
    export_tflite(model, len(mask), path)
    inputs = make_inputs(len(mask), mask)
    np.testing.assert_allclose(TfliteModel(path).run(*inputs), logits_of(model, *map(jnp.asarray, inputs)), atol=TOLERANCE)


@pytest.mark.parametrize("seq_len", [0, 49])
def test_seq_len_is_within_the_positions(model, tmp_path, seq_len):
    with pytest.raises(ValueError, match="seq_len must be 1 to the checkpoint's 48 positions"):
        export_tflite(model, seq_len, tmp_path / "model.tflite")
    assert not list(tmp_path.iterdir())


def test_same_model_same_file(model, tmp_path):
    for name in ("a", "b"):
        export_tflite(model, 8, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_another_dtype_is_refused(model, tmp_path):
    with pytest.raises(ValueError, match="dtype must be one of"):
        export_tflite(model, 8, tmp_path / "model.tflite", "int4")


def _halved(path, value):
    return value.astype(jnp.float16).astype(jnp.float32) if path[-1] == "kernel" else value


def test_halves_are_the_models_with_weights_rounded_to_them(model, tmp_path):
    """The oracle is JAX on weights that NumPy rounded; the biases, LayerNorms and embeddings stay float32."""
    export_tflite(model, 8, tmp_path / "half.tflite", "float16")
    export_tflite(model, 8, tmp_path / "whole.tflite")
    graph, state = nnx.split(model)
    flat = nnx.to_flat_state(state)
    rounded = nnx.merge(graph, nnx.from_flat_state([(path, leaf.replace(_halved(path, leaf[...]))) for path, leaf in flat]))
    weights = [leaf[...].size for path, leaf in flat if path[-1] == "kernel"]
    inputs, loaded = make_inputs(8, [1] * 6 + [0] * 2), TfliteModel(tmp_path / "half.tflite")
    got, expected, exact = loaded.run(*inputs), *(logits_of(one, *map(jnp.asarray, inputs)) for one in (rounded, model))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert np.abs(got - exact).max() > 1e-5, "they were rounded"
    saved = (tmp_path / "whole.tflite").stat().st_size - (tmp_path / "half.tflite").stat().st_size
    assert 0 < 2 * sum(weights) - saved < 400 * len(weights), "two bytes a weight, but for an operator and a tensor each"
    assert loaded.partitions == 1 and set(loaded.operators_left_out()) <= {"GATHER", "CAST"}
