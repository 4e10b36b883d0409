import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from bertnas_jax.train.losses import combined_loss, distillation_loss, label_loss

LOGITS = np.asarray([[2.0, -1.0], [0.5, 0.5], [9.0, 9.0]], np.float32)
TEACHER = np.asarray([[1.0, 0.0], [-1.0, 3.0], [0.0, 0.0]], np.float32)
LABELS = np.asarray([0, 1, 0], np.int32)
WEIGHT = np.asarray([1.0, 1.0, 0.0], np.float32)


def test_label_loss_is_cross_entropy_over_real_rows():
    expected = -(log_softmax(LOGITS, axis=1)[[0, 1], [0, 1]]).mean()
    assert float(label_loss(LOGITS, LABELS, WEIGHT, regression=False)) == pytest.approx(expected, rel=1e-5)


def test_regression_loss_is_the_squared_error():
    targets = np.asarray([1.0, 0.0, 5.0], np.float32)
    assert float(label_loss(LOGITS[:, :1], targets, WEIGHT, regression=True)) == pytest.approx((1.0 + 0.25) / 2)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_distillation_loss_is_hintons(temperature):
    soft = softmax(TEACHER / temperature, axis=1)
    expected = temperature**2 * -(soft * log_softmax(LOGITS / temperature, axis=1)).sum(axis=1)[:2].mean()
    assert float(distillation_loss(LOGITS, TEACHER, WEIGHT, False, temperature)) == pytest.approx(expected, rel=1e-5)


def test_combined_loss_mixes_by_label_weight():
    parts = [float(combined_loss(LOGITS, LABELS, TEACHER, WEIGHT, False, 2.0, share)) for share in (1.0, 0.0, 0.25)]
    assert parts[0] == pytest.approx(float(label_loss(LOGITS, LABELS, WEIGHT, False)), rel=1e-6)
    assert parts[2] == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], rel=1e-5)


def test_a_batch_of_fillers_alone_costs_nothing():
    assert float(label_loss(LOGITS, LABELS, 0 * WEIGHT, regression=False)) == 0.0
