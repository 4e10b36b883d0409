"""Fine-tuning learns, stops where it must, and goes on where it stopped."""

import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from bertnas_jax.model import Bert, get_parameters
from bertnas_jax.train import TrainConfig, TrainingDiverged, fine_tune, loop, predict_model
from tests.train.conftest import TINY, make_tiny_feed

LEARNS = TrainConfig(epochs=6, learning_rate=1e-2)
SHORT = TrainConfig(epochs=0.5, learning_rate=1e-2, checkpoint_seconds=0.0)


def score(model, feed):
    return feed.task.score(predict_model(model, feed.dev_batches()), feed.dev.labels)


@pytest.mark.slow
@pytest.mark.parametrize("regression", [False, True])
def test_it_learns_to_count(tmp_path, regression):
    feed = make_tiny_feed(regression)
    model = Bert(dataclasses.replace(TINY, num_outputs=feed.task.num_outputs), nnx.Rngs(0))
    fine_tune(model, feed, LEARNS, tmp_path, seed=0, title="tiny")
    assert score(model, feed) > 0.9  # chance is 0.5, and 0 for the correlation


def test_it_learns_from_a_teacher_alone(tmp_path, tiny_feed, tiny_model):
    logits = 4.0 * (2.0 * np.eye(2, dtype=np.float32)[tiny_feed.train.labels] - 1.0)
    config = TrainConfig(epochs=6, learning_rate=1e-2, label_weight=0.0)
    fine_tune(tiny_model, tiny_feed, config, tmp_path, seed=0, title="tiny", teacher_logits=logits)
    assert score(tiny_model, tiny_feed) > 0.9


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_same_weights(tmp_path, tiny_feed, tiny_model, monkeypatch):
    monkeypatch.setattr(loop, "CHECK_EVERY", 4)
    whole, again = Bert(TINY, nnx.Rngs(0)), tiny_model
    fine_tune(whole, tiny_feed, SHORT, tmp_path / "whole", seed=3, title="tiny")

    real, looks = loop.Progress.tell, []

    def stop_at_the_third_look(*args):
        real(*args)
        looks.append(args)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Progress, "tell", stop_at_the_third_look)
    with pytest.raises(KeyboardInterrupt):
        fine_tune(again, tiny_feed, SHORT, tmp_path / "again", seed=3, title="tiny")
    fine_tune(again, tiny_feed, SHORT, tmp_path / "again", seed=3, title="tiny")
    assert len(looks) > 3
    jax.tree.map(np.testing.assert_array_equal, get_parameters(again), get_parameters(whole))


def test_a_loss_that_is_not_finite_names_the_step_and_the_model(tmp_path, tiny_feed, tiny_model):
    tiny_model.head.classifier.bias[...] = np.nan
    message = r"tiny: training must stay finite, but in step 1 of 222 the loss of D16-H8-N2.2-F32.32 is nan; no checkpoint was saved"
    with pytest.raises(TrainingDiverged, match=message):
        fine_tune(tiny_model, tiny_feed, LEARNS, tmp_path, seed=0, title="tiny")


def test_bad_knobs_are_refused():
    with pytest.raises(ValueError, match="learning_rate must be 1e-08 to 1.0, got nan"):
        TrainConfig(learning_rate=float("nan"))
