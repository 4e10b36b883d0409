"""The sandwich rule, and that training by it makes every Subnet learn."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import SupernetScorer, SupernetTrainConfig, TrainingDiverged, train_supernet
from bertnas_jax.train import score
from bertnas_jax.train.sandwich import sandwich, stack_codes
from tests.train.conftest import QUICK, SPACE, TINY

LOGITS = np.random.default_rng(0).normal(size=(256, 2)).astype(np.float32)  # of the tiny feed's training split


def test_sandwich_holds_both_ends_and_is_fixed_by_seed_and_step():
    first = sandwich(SPACE, 2, seed=1, step=5)
    assert first[:2] == (SPACE.largest, SPACE.smallest) and len(first) == 4
    assert first == sandwich(SPACE, 2, seed=1, step=5)
    assert len({sandwich(SPACE, 2, seed=1, step=step) for step in range(20)}) > 10


def test_stacked_codes_have_a_first_axis_of_subnets():
    code = stack_codes(SPACE, sandwich(SPACE, 2, 0, 0))
    assert code.hidden.shape == (4,) and code.active.shape == (4, 2)
    assert code.active.tolist()[:2] == [[True, True], [True, False]]


@pytest.mark.slow
def test_every_subnet_learns(tmp_path, tiny_feed, tiny_model, monkeypatch):
    supernet = Supernet(SPACE, TINY)
    teacher = 4.0 * (2.0 * np.eye(2, dtype=np.float32)[tiny_feed.train.labels] - 1.0)
    config = SupernetTrainConfig(epochs=8, learning_rate=1e-2)
    weights = train_supernet(supernet, share_weights(tiny_model), tiny_feed, teacher, config, 1, tmp_path, seed=0)

    monkeypatch.setattr(score, "LEAST_PART", 16)
    scorer = SupernetScorer(supernet, weights, tiny_feed, subset=60, seed=0)
    for subnet in (SPACE.largest, SPACE.smallest):
        assert scorer.on_dev(subnet) > 0.85  # chance is 0.5
        right = list(scorer.right_by_part(subnet))
        assert [len(part) for part in right] == [20, 20, 20] and np.concatenate(right).mean() == pytest.approx(scorer.on_part(subnet))
    assert jnp.isfinite(weights.head["classifier"]["kernel"]).all()
    again = train_supernet(supernet, share_weights(tiny_model), tiny_feed, teacher, config, 1, tmp_path, seed=0)
    jax.tree.map(np.testing.assert_array_equal, again, weights)  # read back: nothing was left to do


@pytest.mark.slow
def test_hidden_states_and_relations_of_the_teacher_need_no_labels_and_come_back_from_checkpoints(tmp_path, tiny_feed, tiny_model):
    supernet, start = Supernet(SPACE, TINY), share_weights(tiny_model)
    losses = {"output_weight": 0.0, "hidden_weight": 1.0, "attention_weight": 1.0, "value_weight": 1.0}
    config = SupernetTrainConfig(epochs=0.5, learning_rate=1e-3, relation_heads=8, **losses)
    weights = train_supernet(supernet, start, tiny_feed, None, config, 0, tmp_path, seed=0)
    assert jax.tree.structure(weights) == jax.tree.structure(start)
    again = train_supernet(supernet, start, tiny_feed, None, config, 0, tmp_path, seed=0)
    jax.tree.map(np.testing.assert_array_equal, again, weights)
    assert not np.array_equal(weights.layers["attention"]["self"]["value"]["kernel"], start.layers["attention"]["self"]["value"]["kernel"])


@pytest.mark.slow
def test_a_divergence_names_the_subnet(tmp_path, tiny_feed, tiny_model):
    """The second block is the largest Subnet's alone: it is poisoned, and the smallest is not until the gradients meet."""
    weights = share_weights(tiny_model)
    layers = jax.tree.map(lambda leaf: leaf.at[1].set(jnp.nan), weights.layers)
    config = SupernetTrainConfig(epochs=0.5, learning_rate=1e-2)
    message = rf"supernet: training must stay finite, but in step 1 of 18 the loss of {QUICK.largest.describe()} is nan \(1 of its 2 losses"
    with pytest.raises(TrainingDiverged, match=message):
        train_supernet(Supernet(QUICK, TINY), weights.replace(layers=layers), tiny_feed, LOGITS, config, 0, tmp_path, seed=0)


@pytest.mark.slow
def test_soft_labels_that_are_not_finite_are_found_in_the_step_that_reads_them(tmp_path, tiny_feed, tiny_model):
    steps = [step for step, batch in enumerate(tiny_feed.train_batches(0, 37)) if 100 in batch.index]
    logits, config = LOGITS.copy(), SupernetTrainConfig(epochs=1, learning_rate=1e-2)
    logits[100] = np.inf
    with pytest.raises(TrainingDiverged, match=rf"in step {steps[0] + 1} of 37 the loss of {QUICK.largest.describe()} is nan \(3 of its 3"):
        train_supernet(Supernet(QUICK, TINY), share_weights(tiny_model), tiny_feed, logits, config, 1, tmp_path, seed=0)


def test_soft_labels_need_the_teachers_logits(tmp_path, tiny_feed, tiny_model):
    with pytest.raises(ValueError, match="teacher_logits must be given for soft labels, got None"):
        train_supernet(Supernet(SPACE, TINY), share_weights(tiny_model), tiny_feed, None, SupernetTrainConfig(), 1, tmp_path, seed=0)
