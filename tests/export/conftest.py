import jax
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.data import Encoded
from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import Layer, Subnet

VOCAB_SIZE = 120


def make_model(subnet, pooling="mean", num_outputs=3, seed=0):
    """A model in which no bias is 0 and no LayerNorm scale is 1, unlike a fresh one."""
    config = BertConfig(subnet, VOCAB_SIZE, max_positions=48, num_outputs=num_outputs, pooling=pooling)
    model = nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0)))
    rng = np.random.default_rng(seed)
    nnx.update(model, jax.tree.map(lambda leaf: jax.numpy.asarray(rng.normal(0, 0.2, leaf.shape), np.float32), nnx.state(model, nnx.Param)))
    return model


def make_inputs(seq_len, mask, seed=0):
    rng = np.random.default_rng(seed)
    ids, types = rng.integers(0, VOCAB_SIZE, (1, seq_len)), rng.integers(0, 2, (1, seq_len))
    return ids.astype(np.int32), np.asarray(mask, np.int32)[None], types.astype(np.int32)


@pytest.fixture(scope="session")
def model():
    return make_model(Subnet(32, 8, (Layer(2, 48), Layer(5, 24))))


@pytest.fixture(scope="session")
def encoded():
    rng = np.random.default_rng(3)
    ids = tuple(rng.integers(1, VOCAB_SIZE, length).astype(np.int32) for length in (2, 7, 16))
    return Encoded(ids, tuple(np.zeros_like(each) for each in ids), np.zeros(3, np.int32), pad_id=0)
