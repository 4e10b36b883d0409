"""The greedy order of blocks, and where it is kept."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st

from bertnas_jax.model import Bert, BertConfig
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.train import RunFolder, SpaceConfig, SupernetConfig, SupernetTrainConfig, Teacher, TrainJob, predict_model, settle_layers
from bertnas_jax.train import layer_order
from bertnas_jax.train.mesh import make_mesh
from bertnas_jax.train.layer_order import LAYER_ORDER_FILE, find_layer_order, remove_greedily

CONFIG = BertConfig(Subnet.uniform(4, 16, 2, 32), vocab_size=8, max_positions=16)
LOSSES = {
    "soft labels": SupernetTrainConfig(label_weight=0.0),
    "relations": SupernetTrainConfig(output_weight=0.0, attention_weight=1.0, value_weight=1.0, relation_heads=4),
    "hidden states": SupernetTrainConfig(output_weight=0.0, hidden_weight=1.0),
}


@given(st.permutations([1.0, 2.0, 4.0, 8.0, 16.0]))
def test_worth_that_adds_up_gives_the_blocks_by_their_worth(worth):
    order = remove_greedily(5, lambda blocks: -sum(worth[block] for block in blocks))
    assert order.keep_order == tuple(sorted(range(5), key=lambda block: -worth[block]))
    assert order.whole_loss == -31.0 and order.removals[0].loss == -30.0


def test_it_is_greedy_and_of_equals_removes_the_highest():
    looked_at = []

    def loss_of(blocks):
        looked_at.append(blocks)
        return {(0, 2): 1.0, (2,): 3.0}.get(blocks, 5.0)

    order = remove_greedily(3, loss_of)
    assert looked_at == [(0, 1, 2), (1, 2), (0, 2), (0, 1), (2,), (0,)]
    assert order.keep_order == (2, 0, 1)
    assert remove_greedily(4, lambda blocks: 0.0).keep_order == (0, 1, 2, 3)


@pytest.fixture
def job(tmp_path, tiny_feed):
    space = SpaceConfig(depths=(1, 2, 4), keep="importance", keep_batches=2)
    config = SupernetConfig(workdir=str(tmp_path / "run"), space=space, supernet=LOSSES["soft labels"])
    return TrainJob(
        checkpoint=tmp_path,
        tokenizer=None,
        feed=tiny_feed,
        bert=CONFIG,
        space=config.space.space_of(CONFIG.subnet),
        mesh=make_mesh(config.mesh),
        config=config,
        folder=RunFolder.open(config),
    )


@pytest.fixture(scope="module")
def teacher(tiny_feed):
    """A teacher whose blocks 1 and 2 do nothing but normalise what is normalised."""
    model = Bert(CONFIG, nnx.Rngs(0))
    state = nnx.state(model, nnx.Param)
    keys = iter(jax.random.split(jax.random.key(0), 200))
    nnx.update(model, jax.tree.map(lambda leaf: leaf + 0.3 * jax.random.normal(next(keys), leaf.shape), state))
    for number in (0, 1, 2):
        for half in (model.layer[number].attention, model.layer[number].feed_forward):
            dense, norm = half.output.dense, half.output.LayerNorm
            norm.scale[...], norm.bias[...] = jnp.ones(16), jnp.zeros(16)
            if number > 0:
                dense.kernel[...], dense.bias[...] = jnp.zeros_like(dense.kernel[...]), jnp.zeros(16)
    return Teacher(model, 0.9, None, predict_model(model, tiny_feed.train_batches_in_order()))


@pytest.mark.parametrize("losses", LOSSES.values(), ids=LOSSES)
def test_blocks_that_do_nothing_are_removed_first(job, teacher, losses):
    job = dataclasses.replace(job, config=dataclasses.replace(job.config, supernet=losses))
    order = find_layer_order(job, teacher)
    assert {removal.block for removal in order.removals[:2]} == {1, 2}
    np.testing.assert_allclose([removal.loss for removal in order.removals[:2]], order.whole_loss, atol=1e-4)
    assert order.removals[2].loss > order.whole_loss + 1e-3


def test_the_order_is_measured_once_and_is_the_spaces(job, teacher, monkeypatch):
    assert job.space.lacks_order
    settled = settle_layers(job, teacher)
    assert not settled.space.lacks_order and settled.config is job.config
    assert set(settled.space.kept_layers(2)) == {0, 3}
    monkeypatch.setattr(layer_order, "find_layer_order", None)
    assert settle_layers(job, teacher).space == settled.space
    assert settle_layers(settled, teacher) is settled
    assert sorted(job.folder.read_json(LAYER_ORDER_FILE)) == ["keep_order", "removals", "whole_loss"]


def test_other_rules_need_no_order(job, teacher):
    even = dataclasses.replace(job, space=SearchSpace(CONFIG.subnet, (1, 4), (16,), (2,), (32,), keep="even"))
    assert settle_layers(even, teacher) is even and not job.folder.has(LAYER_ORDER_FILE)
