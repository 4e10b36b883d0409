"""The loop: what is kept makes no difference to what is learnt, and nothing bad is kept."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from bertnas_jax.train import TrainingDiverged, loop
from bertnas_jax.train.checkpoints import Checkpoints
from tests.train.toy_run import squares, start, toy_run, train_toy


@pytest.fixture
def saves(monkeypatch):
    """The steps after which checkpoints were saved."""
    steps, real = [], Checkpoints.save

    def save(self, step, *args):
        steps.append(step)
        real(self, step, *args)

    monkeypatch.setattr(Checkpoints, "save", save)
    return steps


def test_when_checkpoints_are_saved_makes_no_difference(tmp_path, saves, monkeypatch):
    weights = [train_toy(tmp_path / "often", checkpoint_seconds=0.0), train_toy(tmp_path / "never", checkpoint_seconds=1e9)]
    assert saves == [20, 40, 50, 50]
    clock = itertools.cycle((False, True, False, False, True))
    monkeypatch.setattr(loop, "agreed", lambda late: next(clock))
    monkeypatch.setattr(loop, "CHECK_EVERY", 4)
    weights.append(train_toy(tmp_path / "now and then"))
    assert saves[4:] == [8, 20, 28, 40, 48, 50]
    for others in weights[1:]:
        np.testing.assert_array_equal(others["w"], weights[0]["w"])


def poisoned(at, what):
    """The loss of the toy, and at this step, counted from 0, `what(w)` in its place."""

    def loss(parameters, step, tokens):
        return jax.lax.cond(step == at, lambda: what(parameters["w"]), lambda: squares(parameters, step, tokens))

    return loss


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (33, "toy: training must stay finite, but in step 34 of 50 the loss of the toy is nan; the last good checkpoint is step 20 in "),
        (3, "in step 4 of 50 the loss of the toy is nan; no checkpoint was saved before it; lower the learning rate"),
        (49, "in step 50 of 50 the loss of the toy is nan; the last good checkpoint is step 40 in "),
    ],
)
def test_the_first_bad_step_is_named_and_never_saved(tmp_path, saves, at, message):
    with pytest.raises(TrainingDiverged, match=message):
        train_toy(tmp_path, loss=poisoned(at, lambda w: w.sum() * jnp.nan))
    assert saves == [step for step in (20, 40) if step <= at]


def test_a_gradient_that_is_not_finite_behind_a_finite_loss(tmp_path, saves):
    zero_root = poisoned(39, lambda w: jnp.sqrt((w - w).sum()))  # its value is 0, its gradient is not
    with pytest.raises(TrainingDiverged, match="in step 40 of 50 the gradient's norm is nan, of finite losses; the last .* step 20"):
        train_toy(tmp_path, loss=zero_root)
    assert saves == [20]


def test_weights_that_are_not_finite_behind_finite_losses_and_gradients(tmp_path, saves):
    steep = poisoned(39, lambda w: 1e15 * w.sum())
    with pytest.raises(TrainingDiverged, match="in step 40 of 50 or before it a weight or a moment became infinite or NaN"):
        train_toy(tmp_path, loss=steep, optimizer=optax.chain(optax.scale(-1.0), optax.scale(1e-3), _explode_over(1e10)))
    assert saves == [20]


def _explode_over(limit):
    return optax.stateless(lambda updates, _: {"w": jnp.where(jnp.abs(updates["w"]) > limit, jnp.inf, updates["w"])})


def test_a_run_goes_on_after_a_divergence_from_the_last_good_step(tmp_path, saves):
    with pytest.raises(TrainingDiverged):
        train_toy(tmp_path / "a", loss=poisoned(33, lambda w: w.sum() * jnp.nan))
    np.testing.assert_array_equal(train_toy(tmp_path / "a")["w"], train_toy(tmp_path / "b")["w"])
    assert saves == [20, 40, 50, 20, 40, 50]


def test_a_run_that_is_done_does_nothing(tmp_path):
    first = train_toy(tmp_path)
    run, optimizer = toy_run(tmp_path, loss=poisoned(0, lambda w: w.sum() * jnp.nan))
    np.testing.assert_array_equal(loop.train(run, start(), optimizer)["w"], first["w"])
