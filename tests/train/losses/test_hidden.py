import jax.numpy as jnp
import numpy as np
import pytest

from bertnas_jax.train.losses import hidden_loss

RNG = np.random.default_rng(0)
TEACHER = RNG.normal(size=(4, 2, 3, 5)).astype(np.float32)
WEIGHT = np.asarray([[1, 1, 0], [0, 0, 0]], np.float32)


@pytest.mark.parametrize(
    ("active", "matched"),
    [((0, 1, 2, 3), (0, 1, 2, 3)), ((0, 1), (1, 3)), ((0, 2), (1, 3)), ((0, 1, 2), (0, 1, 3)), ((2,), (3,))],
)
def test_it_is_the_mean_over_active_blocks_tokens_and_channels(active, matched):
    student = RNG.normal(size=TEACHER.shape).astype(np.float32)
    mask = np.isin(np.arange(4), active)
    errors = [np.square(student[i, 0, :2] - TEACHER[j, 0, :2]).mean() for i, j in zip(active, matched, strict=True)]
    assert float(hidden_loss(student, jnp.asarray(mask), TEACHER, WEIGHT)) == pytest.approx(np.mean(errors), rel=1e-5)


def test_a_shallower_teacher_is_repeated():
    student, active = jnp.asarray(TEACHER), jnp.ones(4, bool)
    expected = hidden_loss(student, active, TEACHER[jnp.asarray([0, 0, 0, 1])], WEIGHT)
    assert float(hidden_loss(student, active, TEACHER[:2], WEIGHT)) == pytest.approx(float(expected), rel=1e-6)


def test_the_same_states_cost_nothing():
    assert float(hidden_loss(TEACHER, jnp.ones(4, bool), TEACHER, WEIGHT)) == 0.0
