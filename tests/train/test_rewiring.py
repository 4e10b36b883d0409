"""The order of channels, heads and neurons: by the labels' loss, or without labels; measured once a run."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import RunFolder, SupernetConfig, Teacher, TrainJob, rewiring, starting_weights
from bertnas_jax.train.mesh import make_mesh
from bertnas_jax.train.rewiring import REWIRING_FILE, measure_order
from tests.train.conftest import TINY

SMALLEST_PART = 16  # of 32 neurons, and 1 of 2 heads, do nothing


@pytest.fixture(params=["labels", "text"])
def job(request, tmp_path, tiny_feed):
    text = dataclasses.replace(tiny_feed.task, kind="text", label_names=(), metric="relation_agreement")
    feed = dataclasses.replace(tiny_feed, task=text) if request.param == "text" else tiny_feed
    config = SupernetConfig(workdir=str(tmp_path / "run"), importance_batches=3)
    return TrainJob(
        checkpoint=tmp_path,
        tokenizer=None,
        feed=feed,
        bert=TINY,
        space=config.space.space_of(TINY.subnet),
        mesh=make_mesh(config.mesh),
        config=config,
        folder=RunFolder.open(config),
    )


@pytest.fixture
def teacher():
    """Every second neuron of it and the first head of each block do nothing."""
    model = Bert(TINY, nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    keys = iter(jax.random.split(jax.random.key(0), 200))
    nnx.update(model, jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(next(keys), leaf.shape), state))
    for block in model.layer:
        ffn, attention = block.feed_forward.output.dense.kernel, block.attention.output.dense.kernel
        ffn[...] = ffn[...].at[::2].set(0.0)
        attention[...] = attention[...].at[:8].set(0.0)
    return Teacher(model, 0.9, None, None)


def test_what_does_nothing_comes_last(job, teacher):
    order = measure_order(job, share_weights(teacher.model))
    assert (np.sort(np.asarray(order.ffn[:, :SMALLEST_PART]), axis=1) == np.arange(1, 32, 2)).all()
    assert (np.asarray(order.heads) == [1, 0]).all()
    assert sorted(order.hidden.tolist()) == list(range(16))


def test_the_weights_are_the_same_function_and_their_order_is_measured_once(job, teacher, monkeypatch):
    weights, plain = starting_weights(job, teacher), share_weights(teacher.model)
    supernet, code = Supernet.alone(TINY)
    inputs = (jnp.ones((2, 5), jnp.int32), jnp.ones((2, 5), jnp.int32), jnp.zeros((2, 5), jnp.int32))
    np.testing.assert_allclose(supernet(weights, code, *inputs), supernet(plain, code, *inputs), atol=1e-5)
    assert job.path(REWIRING_FILE).exists()
    monkeypatch.setattr(rewiring, "measure_order", None)
    jax.tree.map(np.testing.assert_array_equal, starting_weights(job, teacher), weights)


def test_no_batches_no_rewiring(job, teacher):
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, importance_batches=0))
    jax.tree.map(np.testing.assert_array_equal, starting_weights(job, teacher), share_weights(teacher.model))
    assert not job.path(REWIRING_FILE).exists()
