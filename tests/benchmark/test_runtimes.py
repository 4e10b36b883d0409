"""Every runtime's logits against JAX's on small models."""

import importlib.util

import jax
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.benchmark.cell import draw_examples, draw_model
from bertnas_jax.benchmark.runtimes import RUNTIMES, Subject
from bertnas_jax.export import max_abs_error
from bertnas_jax.latency import pinned
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, Subnet

SEQ_LEN = 12
# Sums in another order are off by some 1e-6. 8 bits a value are off by 0.4 % of a row's largest, in some dozen products: of
# logits of the order of 1 a few hundredths. A wrong mask, head or epsilon is off by tenths.
TOLERANCE = {"float32": 2e-5, "int8": 0.2}
SUBNETS = {"uniform": Subnet.uniform(2, 64, 4, 128), "uneven": Subnet(32, 8, (Layer(2, 48), Layer(5, 24)))}


def load(name, model, folder):
    missing = [module for module in RUNTIMES[name].peers if importlib.util.find_spec(module) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} of the extra peers is not installed")
    with pinned(1), jax.numpy_dtype_promotion("standard"):
        return RUNTIMES[name].load(Subject(model, SEQ_LEN, 1, folder))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # ONNX Runtime's and OpenVINO's own
@pytest.mark.parametrize("sizes", SUBNETS)
@pytest.mark.parametrize("name", RUNTIMES)
def test_logits_are_those_of_jax(name, sizes, tmp_path):
    model = draw_model(SUBNETS[sizes], SEQ_LEN, seed=1)
    loaded = load(name, model, tmp_path)
    error = max_abs_error(model, loaded.run, draw_examples(model.config, SEQ_LEN, seed=2), SEQ_LEN)
    assert error < TOLERANCE[RUNTIMES[name].dtype]
    if RUNTIMES[name].dtype == "int8":
        assert error > 1e-4  # 8 bits were really used
    assert loaded.how and not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_the_pooler_of_a_checkpoint_is_kept(name, tmp_path):
    model = Bert(BertConfig(SUBNETS["uniform"], 100, max_positions=SEQ_LEN, num_outputs=3, pooling="cls"), nnx.Rngs(0))
    run = load(name, model, tmp_path).run
    assert max_abs_error(model, run, draw_examples(model.config, SEQ_LEN, seed=2), SEQ_LEN) < TOLERANCE["float32"]


def test_drawn_weights_are_the_seeds():
    first, again, other = (jax.tree.leaves(nnx.state(draw_model(SUBNETS["uneven"], 8, seed), nnx.Param)) for seed in (0, 0, 1))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))
