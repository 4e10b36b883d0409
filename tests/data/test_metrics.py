import math

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given

from bertnas_jax.data import CLASSIFICATION_METRICS, METRICS, REGRESSION_METRICS

# 3 hits of label 1, 1 false alarm, 2 misses, 4 correct rejections.
LABELS = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0], np.int32)
PREDICTED = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])


def logits_of(predicted, num_labels):
    return np.eye(num_labels, dtype=np.float32)[predicted]


def column(values):
    return np.array(values, np.float32)[:, None]


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 7 / 10),
        ("f1", 2 * 3 / (2 * 3 + 1 + 2)),
        ("matthews", (3 * 4 - 1 * 2) / math.sqrt((3 + 1) * (3 + 2) * (4 + 1) * (4 + 2))),
    ],
)
def test_classification_equals_the_textbook_formula(name, by_hand):
    assert METRICS[name](logits_of(PREDICTED, 2), LABELS) == pytest.approx(by_hand, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=30))
def test_matthews_of_two_labels_is_the_correlation_of_the_ids(pairs):
    predicted, labels = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    value = METRICS["matthews"](logits_of(predicted, 2), labels)
    if len(set(predicted.tolist())) == 1 or len(set(labels.tolist())) == 1:
        assert value == 0.0
    else:
        assert value == pytest.approx(scipy.stats.pearsonr(predicted, labels).statistic, abs=1e-9)


def test_matthews_of_three_labels_is_one_when_all_is_right():
    labels = np.array([0, 1, 2, 2], np.int32)
    assert METRICS["matthews"](logits_of(labels, 3), labels) == pytest.approx(1.0)


def test_regression_equals_scipy():
    random = np.random.default_rng(0)
    labels = random.integers(0, 11, 200).astype(np.float32) / 2  # with ties, like STS-B
    predictions = labels + random.normal(size=200).astype(np.float32)
    linear = scipy.stats.pearsonr(predictions, labels).statistic
    ranked = scipy.stats.spearmanr(predictions, labels).statistic
    assert METRICS["pearson"](column(predictions), labels) == pytest.approx(linear, abs=1e-6)
    assert METRICS["spearman"](column(predictions), labels) == pytest.approx(ranked, abs=1e-9)
    assert METRICS["pearson_spearman"](column(predictions), labels) == pytest.approx((linear + ranked) / 2, abs=1e-6)


@pytest.mark.parametrize("name", tuple(REGRESSION_METRICS))
@pytest.mark.parametrize("constant", ["predictions", "labels"])
def test_a_constant_side_correlates_0(name, constant):
    varied, flat = np.array([0.1, 0.7, 0.3], np.float32), np.full(3, 0.1, np.float32)
    predictions, labels = (flat, varied) if constant == "predictions" else (varied, flat)
    assert METRICS[name](column(predictions), labels) == 0.0


def test_predicting_the_negative_label_only_has_f1_and_matthews_0():
    logits = logits_of(np.zeros(10, int), 2)
    assert METRICS["f1"](logits, LABELS) == METRICS["matthews"](logits, LABELS) == 0.0


@pytest.mark.parametrize("name", tuple(CLASSIFICATION_METRICS))
def test_refuses_nan_and_labels_without_a_logit(name):
    with pytest.raises(ValueError, match="must be finite, got nan"):
        METRICS[name](np.full((10, 2), np.nan, np.float32), LABELS)
    with pytest.raises(ValueError, match="labels must lie in 0 to 1, got 0 to 2"):
        METRICS[name](np.zeros((2, 2), np.float32), np.array([0, 2], np.int32))


def test_refuses_wrong_shapes():
    with pytest.raises(ValueError, match="f1 must have logits of 2 labels, got 3"):
        METRICS["f1"](np.zeros((10, 3), np.float32), LABELS)
    with pytest.raises(ValueError, match=r"must be \[n, 1\], got \(3, 2\)"):
        METRICS["pearson"](np.zeros((3, 2), np.float32), np.zeros(3, np.float32))
    with pytest.raises(ValueError, match="n at least 1"):
        METRICS["accuracy"](np.zeros((0, 2), np.float32), np.zeros(0, np.int32))
