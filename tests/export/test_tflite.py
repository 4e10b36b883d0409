import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given, settings
from hypothesis import strategies as st

from bertnas_jax.export import TfliteModel, export_tflite
from bertnas_jax.space import Layer, Subnet
from tests.export.conftest import make_inputs, make_model

# float32 sums in another order: errors of the order of 1e-6, where a wrong mask or head shows as 1e-2.
TOLERANCE = 1e-4

logits_of = nnx.jit(lambda model, *inputs: model(*inputs))
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
        export_tflite(model, 8, tmp_path / "model.tflite", "float16")
