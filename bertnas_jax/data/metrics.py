"""The scores of GLUE: what a model's predictions are worth, as one float, higher is better.

A score that is undefined because one side is constant is 0.0: such predictions carry no information.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from jaxtyping import Float, Int


def accuracy(logits: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"]) -> float:
    """Share of rows whose largest logit is the label's, in [0, 1]."""
    return float(np.mean(_predicted(logits, labels) == labels))


def f1(logits: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"]) -> float:
    """F1 of label 1, in [0, 1]; 0.0 when no row of label 1 is predicted as such."""
    if logits.ndim == 2 and logits.shape[1] != 2:
        raise ValueError(f"f1 must have logits of 2 labels, got {logits.shape[1]}; use accuracy or matthews")
    predicted = _predicted(logits, labels)
    hits = np.sum((predicted == 1) & (labels == 1))
    marked = np.sum(predicted == 1) + np.sum(labels == 1)
    return float(2 * hits / marked) if marked else 0.0


def matthews(logits: Float[np.ndarray, "n C"], labels: Int[np.ndarray, " n"]) -> float:
    """Matthews correlation in [-1, 1], for any number of labels; 0.0 for a constant side.

    Source: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation coefficient", eq. 8.
    """
    predicted = _predicted(logits, labels)
    confusion = np.zeros((logits.shape[1],) * 2)
    np.add.at(confusion, (labels, predicted), 1)
    rows, true, guessed = confusion.sum(), confusion.sum(1), confusion.sum(0)
    spread = (rows**2 - true @ true) * (rows**2 - guessed @ guessed)
    return float((rows * np.trace(confusion) - true @ guessed) / np.sqrt(spread)) if spread else 0.0


def pearson(predictions: Float[np.ndarray, "n C"], labels: Float[np.ndarray, " n"]) -> float:
    """Linear correlation in [-1, 1]; 0.0 for a constant side."""
    return _correlation(_values(predictions, labels), labels)


def spearman(predictions: Float[np.ndarray, "n C"], labels: Float[np.ndarray, " n"]) -> float:
    """Rank correlation in [-1, 1], ties sharing their mean rank; 0.0 for a constant side."""
    from scipy.stats import rankdata  # which takes a second to load

    return _correlation(rankdata(_values(predictions, labels)), rankdata(labels))


def pearson_spearman(predictions: Float[np.ndarray, "n C"], labels: Float[np.ndarray, " n"]) -> float:
    """Mean of `pearson` and `spearman`: GLUE's score of STS-B."""
    return (pearson(predictions, labels) + spearman(predictions, labels)) / 2


CLASSIFICATION_METRICS = MappingProxyType({"accuracy": accuracy, "f1": f1, "matthews": matthews})
REGRESSION_METRICS = MappingProxyType({"pearson": pearson, "spearman": spearman, "pearson_spearman": pearson_spearman})
METRICS = MappingProxyType({**CLASSIFICATION_METRICS, **REGRESSION_METRICS})


def _predicted(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _check(logits, labels)
    if labels.min() < 0 or labels.max() >= logits.shape[1]:
        raise ValueError(
            f"labels must lie in 0 to {logits.shape[1] - 1}, got {labels.min()} to {labels.max()}; "
            "give the logits of every label of the task"
        )
    return np.argmax(logits, axis=1)


def _values(predictions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    _check(predictions, labels)
    if predictions.shape[1] != 1:
        raise ValueError(f"predictions of a regression must be [n, 1], got {predictions.shape}; use one output")
    return predictions[:, 0]


def _check(predictions: np.ndarray, labels: np.ndarray) -> None:
    if predictions.ndim != 2 or labels.shape != predictions.shape[:1] or not len(labels):
        raise ValueError(
            f"predictions must be [n, C] with labels [n] and n at least 1, got {predictions.shape} and {labels.shape}; "
            "drop the filler rows and keep one row an example"
        )
    if not np.all(np.isfinite(predictions)):
        raise ValueError(
            f"predictions must be finite, got {predictions[~np.isfinite(predictions)][0]}; "
            "the model diverged"
        )


def _correlation(x: np.ndarray, y: np.ndarray) -> float:
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    x, y = x.astype(np.float64), y.astype(np.float64)
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / (np.linalg.norm(x) * np.linalg.norm(y)), -1.0, 1.0))
